r"""Densities of latents that are known by samples: Gaussian kernels on points, and the aggregate posterior.

The two are kept apart: a *kernel density* puts the same isotropic Gaussian on every point and has a bandwidth; the
*aggregate posterior* $q(z) = \frac1m \sum_i q(z \mid x_i)$ averages the encoder's own Gaussians and has none.

Sums of densities are made from their logarithms ("log-sum-exp"), without a floor, so that they stay right where every
single density underflows. Queries are worked through in blocks, so memory grows with the number of points alone; the
gradient computes each block once more instead of keeping it.

What each bandwidth is chosen from:

- `scott`, `silverman`: the number of points, their dimension and their scale;
- `avae_reference`: the same, for the likelihood instead of the squared error;
- `likelihood_cross_validation`, `least_squares_cross_validation`: how well points are predicted by the others;
- `improved_sheather_jones`: the density's own roughness, in one dimension;
- `avae_bandwidth`, `exact_avae_bandwidth`, `tabulated_bandwidth`: the prior, before any points are there.

Sources: Saha, Joshi & Whitaker, *Matching aggregate posteriors in the variational autoencoder*, arXiv 2311.07693
(bandwidth and its correction); Silverman, *Density Estimation for Statistics and Data Analysis*, 1986 (kernels).
"""

from vrrae_lab.density.aggregate import AggregatePosterior
from vrrae_lab.density.avae import AvaeBandwidth, avae_bandwidth, corrected_bandwidth
from vrrae_lab.density.kernel import KernelDensity
from vrrae_lab.density.quadrature import exact_avae_bandwidth, expected_log_density
from vrrae_lab.density.search import best_bandwidth
from vrrae_lab.density.selectors import (
    avae_reference,
    least_squares_cross_validation,
    least_squares_score,
    likelihood_cross_validation,
    points_scale,
    scott,
    scott_factor,
    silverman,
    silverman_factor,
)
from vrrae_lab.density.sheather_jones import improved_sheather_jones
from vrrae_lab.density.table import tabulated_bandwidth

__all__ = [
    "AggregatePosterior",
    "AvaeBandwidth",
    "KernelDensity",
    "avae_bandwidth",
    "avae_reference",
    "best_bandwidth",
    "corrected_bandwidth",
    "exact_avae_bandwidth",
    "expected_log_density",
    "improved_sheather_jones",
    "least_squares_cross_validation",
    "least_squares_score",
    "likelihood_cross_validation",
    "points_scale",
    "scott",
    "scott_factor",
    "silverman",
    "silverman_factor",
    "tabulated_bandwidth",
]
