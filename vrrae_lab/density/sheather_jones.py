r"""A plug-in bandwidth in one dimension that does not take the points for Gaussian.

The bandwidth of least asymptotic error needs the integral of the squared second derivative of the density, whose best
estimate needs that of the third, and so on. Sheather and Jones break off by taking the points for Gaussian at some
stage; Botev, Grotowski and Kroese ask that the bandwidth at the bottom of the chain be the one at its top, a fixed
point, so that two clusters far apart are not smoothed into one.

Sources: Sheather & Jones, *A reliable data-based bandwidth selection method for kernel density estimation*, J. R.
Statist. Soc. B 53, 1991; Botev, Grotowski & Kroese, *Kernel density estimation via diffusion*, Ann. Statist. 38, 2010
(arXiv 1011.2602), Algorithm 1.
"""

import math

import numpy as np
from jaxtyping import Float

from vrrae_lab.density.selectors import Points, points_scale

NUM_BINS = 2**14
STAGES = 7


def improved_sheather_jones(points: Points) -> float:
    r"""The bandwidth $h = \sqrt t$ that is its own plug-in estimate, for points on a line.

    With $\hat f$ a density's cosine coefficients $a_k$ on an interval of length 1, smoothed by kernels of variance $t$,

    $$\lVert \hat f^{(s)} \rVert^2 = \frac{\pi^{2s}}{2} \sum_k k^{2s} a_k^2\, e^{-k^2\pi^2 t}, \qquad
      t_s = \Big(\frac{1 + 2^{-s-1/2}}{3}\; \frac{1 \cdot 3 \cdots (2s-1)}{n \sqrt{\pi/2}\;
      \lVert \hat f^{(s+1)} \rVert^2}\Big)^{2/(3+2s)}$$

    lead from one derivative to the one before, and the last to $\big(2 n \sqrt\pi\, \lVert \hat f^{(2)} \rVert^2
    \big)^{-2/5}$, the asymptotically best $t$. The smallest solution is taken.

    Args:
        points: of dimension 1.

    Raises:
        ValueError: if the dimension is not 1, if there are fewer than two different points, or NaN or infinity in
            them, or if the equation has no solution.
    """
    from scipy.optimize import brentq

    points_scale(points)  # for its checks
    if points.shape[1] != 1:
        raise ValueError(f"the points have {points.shape[1]} dimensions, and this rule is for 1: take another selector")
    x = np.asarray(points, float)[:, 0]
    count, width = len(np.unique(x)), 1.2 * np.ptp(x)  # the kernels reach beyond the points
    squares = _squared_coefficients((x - x.min()) / width + 1 / 12)

    def excess(log_t: float) -> float:
        return math.exp(log_t) - _plugged_in(math.exp(log_t), squares, count)

    # from the width of a bin to a tenth of the whole
    grid = np.linspace(2 * math.log(1 / NUM_BINS), math.log(0.1), 40)
    excesses = np.array([excess(t) for t in grid])
    (rises,) = np.nonzero((excesses[:-1] < 0) & (excesses[1:] >= 0))
    if len(rises) == 0:
        raise ValueError(f"the {len(x)} points determine no bandwidth: are they too few, or mostly repeated?")
    first = rises[0]
    return float(width * math.exp(brentq(excess, grid[first], grid[first + 1], xtol=1e-10) / 2))


def _squared_coefficients(x: Float[np.ndarray, " num_points"]) -> Float[np.ndarray, " frequencies"]:
    """Of the points' cosine series on the unit interval, without the constant one, from a histogram."""
    from scipy.fft import dct

    histogram, _ = np.histogram(x, bins=NUM_BINS, range=(0, 1))
    return dct(histogram / len(x))[1:] ** 2


def _plugged_in(t: float, squares: Float[np.ndarray, " frequencies"], count: int) -> float:
    """The best variance of the kernels, were `t` the one with which the highest derivative is estimated."""
    k = np.arange(1, len(squares) + 1)

    def roughness(order: int, t: float) -> float:
        """The integral of the squared derivative."""
        return (
            math.pi ** (2 * order) / 2 * float(np.sum(k ** (2.0 * order) * squares * np.exp(-((k * math.pi) ** 2) * t)))
        )

    found = roughness(STAGES, t)
    for order in range(STAGES - 1, 1, -1):
        if found == 0:  # smoothed to a constant, of which no kernel is too wide
            return math.inf
        odd = math.prod(range(1, 2 * order, 2))
        ratio = (1 + 2 ** (-order - 0.5)) / 3 * odd / (count * math.sqrt(math.pi / 2) * found)
        found = roughness(order, ratio ** (2 / (3 + 2 * order)))
    return (2 * count * math.sqrt(math.pi) * found) ** (-2 / 5) if found > 0 else math.inf
