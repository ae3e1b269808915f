r"""AVAE's bandwidth without chance: the expectation that it maximises is a sum of three integrals in one dimension.

For a query at distance $r$ from the origin the distances $v$ to the centres are independent, and of a known density,
the noncentral chi distribution. With $X_i = e^{-v_i^2/2h^2}$ the expected logarithm of their sum is, by Frullani's
integral of $e^{-s}$ and $e^{-s \sum_i X_i}$,

$$\mathbb{E} \log \sum_{i=1}^m X_i = \int_{-\infty}^{\infty} e^{-e^\sigma} - \varphi_r(e^\sigma)^m \, d\sigma, \qquad
  \varphi_r(s) = \mathbb{E}\, e^{-s X},$$

and what is left is the mean over $r$, of which the density is known as well. So the number of centres is an exponent,
not a number of samples.

The density of $v$ given $r$ is $v\,(v/r)^{l/2-1} e^{-(v-r)^2/2}$ times the scaled Bessel function
$e^{-rv} I_{l/2-1}(rv)$ (Johnson, Kotz & Balakrishnan, *Continuous Univariate Distributions* 2, 1995, chapter 29).
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from vrrae_lab.checks import check_at_least, check_positive
from vrrae_lab.density.search import best_bandwidth

NUM_RADII, NUM_DISTANCES = 40, 400
STEP = 0.35  # of σ: the integrand is analytic in a strip, so this rule's error is of the order of exp(-π²/0.35)
BLOCK = 512  # values of σ at a time: one matrix of so many rows, however far σ reaches


class _Quadrature(NamedTuple):
    """Nodes and weights of the two integrals that depend on the dimension alone."""

    radius_weights: Float[np.ndarray, " radii"]
    distances: Float[np.ndarray, " distances"]
    distance_weights: Float[np.ndarray, "distances radii"]


def exact_avae_bandwidth(latent_size: int, num_centres: int) -> float:
    """The bandwidth that `avae_bandwidth` estimates, by quadrature, to a relative error of about 1e-4.

    Args:
        latent_size: the dimension, up to 1000.
        num_centres: the number of kernels, up to a million.

    Raises:
        ValueError: if a number is outside its range.
    """
    check_at_least(1, "latent_size", latent_size)
    check_at_least(1, "num_centres", num_centres)
    for name, value, most in (("latent_size", latent_size, 1000), ("num_centres", num_centres, 1_000_000)):
        if value > most:
            raise ValueError(f"{name} = {value}: the quadrature is accurate up to {most}; simulate with avae_bandwidth")
    # with one centre it is √2, and it falls with their number, though less than Scott's factor does
    low = num_centres ** (-1 / (latent_size + 4)) / 2
    return best_bandwidth(lambda h: expected_log_density(latent_size, num_centres, h), low=low, high=1.5)


def expected_log_density(latent_size: int, num_centres: int, bandwidth: float) -> float:
    r"""$\mathbb{E} \log q_h(z)$ in nats, where $z$ and the centres of the kernels are independent and of the prior.

    Time grows like $l / h^2$ where the bandwidth $h$ is so small that few kernels reach a query; memory does not.

    Raises:
        ValueError: if a number is below 1, or the bandwidth not positive and finite.
    """
    check_at_least(1, "latent_size", latent_size)
    check_at_least(1, "num_centres", num_centres)
    check_positive("bandwidth", bandwidth, "standard deviation of the kernels")
    radius_weights, distances, distance_weights = _quadrature(latent_size)
    exponents = -(distances**2) / (2 * bandwidth**2)

    def log_phi(sigma: Float[np.ndarray, " points"]) -> Float[np.ndarray, "points radii"]:
        one_minus_phi = -np.expm1(-np.exp(np.minimum(sigma[:, None] + exponents[None, :], 700))) @ distance_weights
        return num_centres * np.log1p(-np.minimum(one_minus_phi, 1 - 1e-15))

    # beyond these ends the two terms are equal, and both 0, to more than ten digits
    low, high = -math.log(num_centres) - 30, 5.0
    while high < -exponents[-1] and log_phi(np.array([high])).max() > -30:
        high *= 1.2
    every = np.arange(low, high + STEP, STEP)
    sums = np.zeros(len(radius_weights))
    for sigma in np.array_split(every, math.ceil(len(every) / BLOCK)):
        sums += (np.exp(-np.exp(np.minimum(sigma, 700)))[:, None] - np.exp(log_phi(sigma))).sum(axis=0)
    log_sum = STEP * float(sums @ radius_weights)
    return log_sum - math.log(num_centres) - latent_size * (math.log(bandwidth) + math.log(2 * math.pi) / 2)


@lru_cache(maxsize=8)
def _quadrature(latent_size: int) -> _Quadrature:
    from scipy import special

    # r and v change by at most as much as their Gaussian does, so they lie this close to their means but for a
    # probability of 1e-9 and 1e-15: the tail of a Gaussian bounds theirs
    middle = math.sqrt(latent_size)
    radii, weights = _gauss_legendre(NUM_RADII, max(0, middle - 6.5), middle + 6.5)
    least, most = math.sqrt(max(0, radii[0] ** 2 + latent_size - 1)), math.sqrt(radii[-1] ** 2 + latent_size)
    distances, distance_weights = _gauss_legendre(NUM_DISTANCES, max(0, least - 8.5), most + 8.5)
    log_radii, log_distances, order = np.log(radii), np.log(distances), latent_size / 2 - 1
    # chi's density of r, up to a constant, as the weights shall add up to 1
    log_chi = (latent_size - 1) * log_radii - radii**2 / 2
    radius_weights = weights * np.exp(log_chi - log_chi.max())
    with np.errstate(divide="ignore"):  # of a Bessel function too small to be told from 0
        log_bessel = np.log(special.ive(order, distances[:, None] * radii[None, :]))
    ratio = log_distances[:, None] - log_radii[None, :]
    gap = distances[:, None] - radii[None, :]
    density = np.exp(log_distances[:, None] + order * ratio - gap**2 / 2 + log_bessel)
    return _Quadrature(radius_weights / radius_weights.sum(), distances, distance_weights[:, None] * density)


def _gauss_legendre(count: int, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights between two ends."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (high - low) / 2 * nodes + (high + low) / 2, (high - low) / 2 * weights
