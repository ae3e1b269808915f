"""The bandwidth of kernels under the finger: on points, and AVAE's, which is chosen before there are any points."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Array, Float

from vrrae_lab.checks import as_numbers, check_positive, check_whole
from vrrae_lab.density import (
    avae_reference,
    corrected_bandwidth,
    improved_sheather_jones,
    least_squares_cross_validation,
    likelihood_cross_validation,
    points_scale,
    scott,
    silverman,
    tabulated_bandwidth,
)
from vrrae_lab.widgets.card import Card, as_bytes

Points = Float[np.ndarray, "num_points dimension"] | Float[Array, "num_points dimension"]

MOST_POINTS = 1000
SELECTORS: dict[str, Callable[[Points], float]] = {
    "Scott": scott,
    "Silverman": silverman,
    "AVAE": avae_reference,
    "likelihood": likelihood_cross_validation,
    "least squares": least_squares_cross_validation,
    "Sheather–Jones": improved_sheather_jones,
}
LATENT_SIZES, NUM_CENTRES = (1, 200), (50, 50_000)  # those of the table
GRID = 65  # of the surface, per side


class Density(Card):
    """What `density` returns.

    Attributes:
        points: one row each, of one or two numbers.
        bandwidth: $h$, the standard deviation of the kernels.
        choices: the bandwidth that each selector chooses for the points; one that finds none is left out.
    """

    points = traitlets.List(traitlets.List(traitlets.Float())).tag(sync=True)
    bandwidth = traitlets.Float().tag(sync=True)
    choices = traitlets.Dict().tag(sync=True)

    def __init__(self, points: np.ndarray, bandwidth: float | None) -> None:
        """Made by `density`."""
        choices = _choices(points)
        start = choices["Scott"] if bandwidth is None else float(bandwidth)
        super().__init__("density", "kernel density", points=points.tolist(), bandwidth=start, choices=choices)
        self.observe(self.guarded(self._choose_again), "points")

    @traitlets.validate("points")
    def _check_points(self, proposal: Any) -> list[list[float]]:
        return _checked(proposal["value"]).tolist()

    @traitlets.validate("bandwidth")
    def _check_bandwidth(self, proposal: Any) -> float:
        check_positive("bandwidth", proposal["value"], "standard deviation of the kernels")
        return proposal["value"]

    def _choose_again(self, _: Any) -> None:
        self.choices = _choices(np.array(self.points))


def density(points: Points, *, bandwidth: float | None = None) -> Density:
    r"""Kernels on points of a line or a plane, whose bandwidth is dragged, and how well the others predict each point.

    Beside the density the leave-one-out log likelihood is drawn against the bandwidth,

    $$\frac1m \sum_i \log q_{h,-i}(z_i),$$

    with the bandwidths that the selectors of `vrrae_lab.density` choose. Points are dragged, added and taken away, and
    the selectors choose again.

    Args:
        points: one per row, of one or two coordinates; 2 to 1000 of them.
        bandwidth: the kernels' standard deviation at first; by default Scott's.

    Raises:
        TypeError: if the points are no numbers.
        ValueError: if they have more than two coordinates or are too many, if they contain NaN or infinity, if there
            are fewer than two different ones, or if the bandwidth is not positive.

    Example:
        >>> widget = vl.widgets.density(np.random.default_rng(0).normal(size=(100, 2)))
        >>> widget.bandwidth = widget.choices["likelihood"]
    """
    array = _checked(points)
    if bandwidth is not None:
        check_positive("bandwidth", bandwidth, "standard deviation of the kernels")
    return Density(array, bandwidth)


def _checked(points: Any) -> np.ndarray:
    array = as_numbers("points", points)
    points_scale(array)  # for its checks
    if array.shape[1] > 2:
        raise ValueError(f"the points have shape {array.shape}: give one or two coordinates, one point per row")
    if len(array) > MOST_POINTS:
        raise ValueError(f"{len(array):,} points are more than can be followed: give at most {MOST_POINTS:,}")
    return array


def _choices(points: np.ndarray) -> dict[str, float]:
    found = {}
    for name, select in SELECTORS.items():
        try:
            found[name] = select(points.astype(np.float32))
        except ValueError:  # the points are sound, so this selector has no answer for them
            continue
    return found


class BandwidthSurface(Card):
    """What `bandwidth_surface` returns.

    Attributes:
        latent_size: the dimension $l$.
        num_centres: the number of kernels $m$.
    """

    latent_size = traitlets.Int().tag(sync=True)
    num_centres = traitlets.Int().tag(sync=True)
    _surface = traitlets.Bytes().tag(sync=True)  # log h, a row for each m, both in equal steps of their logarithms

    def __init__(self, latent_size: int, num_centres: int) -> None:
        """Made by `bandwidth_surface`."""
        sizes, counts = np.geomspace(*LATENT_SIZES, GRID), np.geomspace(*NUM_CENTRES, GRID)
        sizes[-1], counts[-1] = LATENT_SIZES[1], NUM_CENTRES[1]  # not beyond them by rounding
        surface = [[math.log(tabulated_bandwidth(size, m)) for size in sizes] for m in counts]
        sizes_of_it = {"latent_size": int(latent_size), "num_centres": int(num_centres)}
        super().__init__("bandwidth_surface", "AVAE's bandwidth", _surface=as_bytes(surface), **sizes_of_it)

    @property
    def bandwidth(self) -> float:
        """$h(l, m)$."""
        return tabulated_bandwidth(self.latent_size, self.num_centres)

    @property
    def corrected(self) -> float:
        r"""$h_c = h / \sqrt{1 + h^2}$."""
        return corrected_bandwidth(self.bandwidth)

    @property
    def prior_deviation(self) -> float:
        r"""Standard deviation $\sqrt{1 - h_c^2}$ of the Gaussian to sample from."""
        return math.sqrt(1 - self.corrected**2)

    @traitlets.validate("latent_size", "num_centres")
    def _check(self, proposal: Any) -> int:
        name = proposal["trait"].name
        _check_in_table(name, proposal["value"], LATENT_SIZES if name == "latent_size" else NUM_CENTRES)
        return proposal["value"]


def bandwidth_surface(latent_size: int = 10, num_centres: int = 1000) -> BandwidthSurface:
    r"""AVAE's bandwidth $h(l, m)$ for $m$ kernels on samples of $\mathcal{N}(0, I_l)$, as a surface to drag over.

    Beside it what follows from it: the corrected bandwidth $h_c = h/\sqrt{1+h^2}$, and the standard deviation
    $\sqrt{1-h_c^2}$ of the Gaussian on which kernels of that bandwidth add up to the prior (Saha, Joshi & Whitaker,
    arXiv 2311.07693).

    Args:
        latent_size: the dimension $l$ at first, 1 to 200.
        num_centres: the number of kernels $m$ at first, 50 to 50,000.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if it is out of these limits.

    Example:
        >>> vl.widgets.bandwidth_surface(latent_size=100, num_centres=10_000).corrected
    """
    _check_in_table("latent_size", latent_size, LATENT_SIZES)
    _check_in_table("num_centres", num_centres, NUM_CENTRES)
    return BandwidthSurface(latent_size, num_centres)


def _check_in_table(name: str, value: int, ends: tuple[int, int]) -> None:
    check_whole(name, value)
    if not ends[0] <= value <= ends[1]:
        raise ValueError(f"{name} = {value}: the table goes from {ends[0]:,} to {ends[1]:,}")
