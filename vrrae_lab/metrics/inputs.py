"""What the metrics accept: finite numbers, one sample per row, enough of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from vrrae_lab.checks import as_numbers

Rows = Float[np.ndarray, "count dimension"] | Float[Array, "count dimension"]
RowsX = Float[np.ndarray, "n_x dimension"] | Float[Array, "n_x dimension"]
RowsY = Float[np.ndarray, "n_y dimension"] | Float[Array, "n_y dimension"]


class Estimate(NamedTuple):
    """A number estimated from samples.

    Attributes:
        value: in the units of what is estimated.
        standard_error: of the value, in the same units.
    """

    value: float
    standard_error: float


class Spread(NamedTuple):
    """What repetitions of a measurement gave.

    Attributes:
        mean: over the repetitions.
        standard_deviation: of one repetition, not of the mean.
    """

    mean: float
    standard_deviation: float


def as_rows(name: str, samples: Rows, least: int = 1) -> Float[np.ndarray, "count dimension"]:
    """The samples in float64.

    Raises:
        TypeError: if it is no array of real numbers.
        ValueError: unless there is one sample per row, at least `least` of them, and every number is finite.
    """
    rows = as_numbers(name, samples)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"{name} has shape {rows.shape}: give one sample per row, images as x.reshape(len(x), -1)")
    if len(rows) < least:
        raise ValueError(f"{name} has {len(rows)} samples: give {least} or more")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} contains NaN or infinity: remove those rows, or mend what made them")
    return rows


def as_pair(
    x: RowsX, y: RowsY, least: int = 1, names: tuple[str, str] = ("x", "y")
) -> tuple[Float[np.ndarray, "n_x dimension"], Float[np.ndarray, "n_y dimension"]]:
    """Two sets of samples in float64.

    Raises:
        ValueError: as `as_rows` for each, or if they have different dimensions.
    """
    rows = as_rows(names[0], x, least), as_rows(names[1], y, least)
    if rows[0].shape[1] != rows[1].shape[1]:
        dimensions = f"{names[0]} has dimension {rows[0].shape[1]} and {names[1]} {rows[1].shape[1]}"
        raise ValueError(f"{dimensions}: give samples of one space")
    return rows
