"""AVAE's bandwidth from a table that comes with the package, in microseconds: for a slider."""

import json
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from vrrae_lab.checks import check_number


def tabulated_bandwidth(latent_size: float, num_centres: float) -> float:
    """AVAE's bandwidth between the entries of the shipped record `bandwidth_table`, before the correction.

    The table is made by `exact_avae_bandwidth`; between its entries a smooth surface over the logarithms of both
    numbers is read, which also serves numbers that are not whole.

    Args:
        latent_size: the dimension, from 1 to 200.
        num_centres: the number of kernels, from 50 to 50,000.

    Raises:
        ValueError: if a number is outside the table.
    """
    surface, ends = _surface()
    point = {"latent_size": latent_size, "num_centres": num_centres}
    for (name, value), (low, high) in zip(point.items(), ends, strict=True):
        check_number(name, value)
        if not low <= value <= high:
            raise ValueError(
                f"{name} = {value}: the table goes from {low:,} to {high:,}; beyond, ask exact_avae_bandwidth"
            )
    return math.exp(surface(math.log(latent_size), math.log(num_centres)))


@lru_cache(maxsize=1)
def _surface() -> tuple[Callable[[float, float], float], list[tuple[int, int]]]:
    """The logarithm of the bandwidth as a function of those of the two numbers, and their least and greatest."""
    from scipy.interpolate import RectBivariateSpline

    path = Path(__file__).parent.parent / "records" / "bandwidth_table.json"
    grid = json.loads(path.read_text())["grid"]
    axes = [grid["latent_sizes"], grid["num_centres"]]
    spline = RectBivariateSpline(*(np.log(axis) for axis in axes), np.log(grid["bandwidths"]))
    return lambda x, y: float(spline(x, y)[0, 0]), [(axis[0], axis[-1]) for axis in axes]
