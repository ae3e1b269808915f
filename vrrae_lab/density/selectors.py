r"""Bandwidths chosen from the points themselves.

Each function takes points, one per row, and returns the standard deviation $h$ of isotropic kernels on them, in the
units of the points: what `KernelDensity` wants. The rules of thumb are a *factor* that depends on the number $n$ of
points and their dimension $d$ alone, times the points' scale $s$, the root of the mean variance of the coordinates.

What "Scott's bandwidth" means differs between libraries. `scipy.stats.gaussian_kde` multiplies the covariance matrix
of the points by the squared factor, so its kernels are ellipsoids; in one dimension that is the bandwidth returned
here. `sklearn.neighbors.KernelDensity(bandwidth="scott")` takes the factor itself as the bandwidth, whatever the units
of the points are: only for points of unit variance is that the bandwidth returned here.

Sources: Scott, *Multivariate Density Estimation*, 1992, Eq. 6.42; Silverman, *Density Estimation for Statistics and
Data Analysis*, 1986, Eq. 4.14 (rules of thumb), section 3.4.3 (least squares), section 3.4.4 (likelihood).
"""

import math
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vrrae_lab.checks import as_numbers, check_at_least, check_positive
from vrrae_lab.density.kernel import KernelDensity
from vrrae_lab.density.quadrature import exact_avae_bandwidth
from vrrae_lab.density.search import best_bandwidth

Points = Float[np.ndarray, "num_points dimension"] | Float[Array, "num_points dimension"]


def scott_factor(num_points: int, dimension: int) -> float:
    """$n^{-1/(d+4)}$.

    Raises:
        ValueError: if a number is below 1.
    """
    _check_numbers(num_points, dimension)
    return num_points ** (-1 / (dimension + 4))


def silverman_factor(num_points: int, dimension: int) -> float:
    r"""$\big(n\,\frac{d+2}{4}\big)^{-1/(d+4)}$: the factor of least mean integrated squared error, if the points are
    Gaussian and many.

    Raises:
        ValueError: if a number is below 1.
    """
    _check_numbers(num_points, dimension)
    return (num_points * (dimension + 2) / 4) ** (-1 / (dimension + 4))


def _check_numbers(num_points: int, dimension: int) -> None:
    check_at_least(1, "num_points", num_points)
    check_at_least(1, "dimension", dimension)


def scott(points: Points) -> float:
    """Scott's rule of thumb: $s$ times `scott_factor`.

    Raises:
        ValueError: if there are fewer than two different points, or NaN or infinity in them.
    """
    return points_scale(points) * scott_factor(*np.shape(points))


def silverman(points: Points) -> float:
    """Silverman's rule of thumb: $s$ times `silverman_factor`.

    Raises:
        ValueError: if there are fewer than two different points, or NaN or infinity in them.
    """
    return points_scale(points) * silverman_factor(*np.shape(points))


def avae_reference(points: Points) -> float:
    """AVAE's bandwidth for as many points of the prior, times $s$: of highest expected log density, if the points are
    Gaussian.

    Raises:
        ValueError: if there are fewer than two different points, or NaN or infinity in them, or more points or
            dimensions than `exact_avae_bandwidth` is for.
    """
    scale = points_scale(points)
    num_points, dimension = points.shape
    return scale * exact_avae_bandwidth(dimension, num_points)


def likelihood_cross_validation(points: Points) -> float:
    r"""The bandwidth under which each point is most likely, given all others,

    $$\operatorname*{argmax}_h\ \frac1n \sum_i \log q_{h,-i}(z_i).$$

    The search is over bandwidths from $s/200$ to $3s$.

    Raises:
        ValueError: if there are fewer than two different points, or NaN or infinity in them; or if the likelihood is
            highest at an end of the search, as it is where points are repeated.
    """
    scaled, scale = _scaled(points)
    return scale * _best(lambda h: float(KernelDensity(scaled, h).leave_one_out().mean()))


def least_squares_cross_validation(points: Points) -> float:
    r"""The bandwidth of the least estimated integral of the squared error, but for a term without $h$,

    $$\operatorname*{argmin}_h\ \int q_h(z)^2\,dz - \frac2n \sum_i q_{h,-i}(z_i), \qquad
      \int q_h(z)^2\,dz = \frac1n \sum_i q_{\sqrt2 h}(z_i),$$

    as two Gaussians of standard deviation $h$ overlap like one of $\sqrt2\,h$. The search is over bandwidths from
    $s/200$ to $3s$; of several minima it takes the deepest.

    Raises:
        ValueError: if there are fewer than two different points, or NaN or infinity in them; or if the estimate is
            least at an end of the search, as it is where points are repeated.
    """
    scaled, scale = _scaled(points)
    return scale * _best(lambda h: -least_squares_score(scaled, h))


def least_squares_score(points: Points, bandwidth: float) -> float:
    """What `least_squares_cross_validation` minimises, at a bandwidth in the units of the points.

    Raises:
        ValueError: if there are fewer than two points, or NaN or infinity in them, or the bandwidth is not positive.
    """
    check_positive("bandwidth", bandwidth, "standard deviation of the kernels")
    overlap = KernelDensity(points, math.sqrt(2) * bandwidth).log_density(jnp.asarray(points))
    left_out = KernelDensity(points, bandwidth).leave_one_out()
    # in double precision, as densities of many dimensions are far from 1
    return float(np.exp(np.asarray(overlap, float)).mean() - 2 * np.exp(np.asarray(left_out, float)).mean())


def points_scale(points: Points) -> float:
    """The root of the mean variance of the coordinates, $s$.

    Raises:
        ValueError: if there are fewer than two different points, or NaN or infinity in them.
    """
    array = as_numbers("points", points)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"the points have shape {array.shape}: give one row per point")
    if not np.isfinite(array).all():
        raise ValueError("the points contain NaN or infinity: remove those rows, or mend what made them")
    if len(array) < 2:
        raise ValueError("there is 1 point, which has no scale: give 2 or more")
    if np.all(array == array[0]):
        raise ValueError(f"all {len(array)} points are equal, so they have no scale: give different ones")
    return float(np.sqrt(array.var(axis=0, ddof=1).mean()))


def _scaled(points: Points) -> tuple[np.ndarray, float]:
    """The points less their mean, in units of their scale, in their own precision if they have one; and that scale."""
    scale = points_scale(points)
    array = np.asarray(points, float)
    precision = np.result_type(np.asarray(points).dtype, np.float32)  # whole numbers would be cut off
    return ((array - array.mean(axis=0)) / scale).astype(precision), scale


def _best(score: Callable[[float], float]) -> float:
    """The bandwidth of the highest score, which may have several maxima, for points of unit scale."""
    grid = np.geomspace(1 / 200, 3, 33)
    scores = np.array([score(h) for h in grid])
    if not np.isfinite(scores).all():
        raise ValueError("the score is not finite: densities of this many dimensions leave the range of numbers")
    best = int(scores.argmax())
    if best in (0, len(grid) - 1):
        raise ValueError(
            f"the best of the bandwidths tried is the {'largest' if best else 'smallest'}, {grid[best]:.3g} times the "
            "points' scale, so there may be no best one: are points repeated, or very few?"
        )
    return best_bandwidth(score, low=float(grid[best - 1]), high=float(grid[best + 1]))
