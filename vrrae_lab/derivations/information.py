r"""Divergences from the prior: of each posterior, of their average, and in which units (claims 24 and 25).

The integrals are sums over a grid in the plane. For integrands that are smooth on the scale of its spacing and vanish
at its edge, as these are, such a sum is right to rounding.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from vrrae_lab import gaussian
from vrrae_lab.derivations.claim import Claim, Evidence, Finding, Verdict, float64

# Posteriors below have standard deviations of 0.5 to 1.2 and means within 3 of zero.
SPACING, EDGE = 0.06, 12.0
ROUNDING = 1e-10
COUNT = 5
FACTOR = 2.302585092994046  # ln 10


def _grid() -> Float[Array, "points 2"]:
    axis = np.arange(-EDGE, EDGE + SPACING / 2, SPACING)
    return jnp.asarray(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2))


def _log_densities(z: Array, posterior: gaussian.DiagonalGaussian) -> Float[np.ndarray, "count points"]:
    """Log density of each posterior of the batch at every point."""

    @jax.jit
    def of_one(mean: Array, log_variance: Array) -> Array:
        both = (jnp.broadcast_to(numbers[None, :], z.shape) for numbers in (mean, log_variance))
        return gaussian.DiagonalGaussian(*both).log_density(z)

    return np.stack([of_one(*pair) for pair in zip(posterior.mean, posterior.log_variance, strict=True)])


def _integral(values: Float[np.ndarray, "count points"]) -> Float[np.ndarray, " count"]:
    return np.sum(values, axis=1) * SPACING**2


def _posteriors(key: Array) -> gaussian.DiagonalGaussian:
    """Of five data points, all as likely: means within 3 of zero, standard deviations from 0.5 to 1.2."""
    mean_key, variance_key = jax.random.split(key)
    mean = jax.random.uniform(mean_key, (COUNT, 2), minval=-3, maxval=3)
    return gaussian.DiagonalGaussian(
        mean, 2 * jnp.log(jax.random.uniform(variance_key, (COUNT, 2), minval=0.5, maxval=1.2))
    )


def _prior() -> gaussian.DiagonalGaussian:
    return gaussian.DiagonalGaussian(jnp.zeros((1, 2)), jnp.zeros((1, 2)))


def _decomposition(key: Key[Array, ""]) -> Evidence:
    with float64():
        posterior, z = _posteriors(key), _grid()
        log_q_given_x, log_p = _log_densities(z, posterior), _log_densities(z, _prior())[0]
        each = np.asarray(posterior.kl()).sum(axis=1)
    q_given_x = np.exp(log_q_given_x)
    q = np.mean(q_given_x, axis=0)
    log_q = np.logaddexp.reduce(log_q_given_x, axis=0) - np.log(COUNT)
    # information as what z tells of x: the entropy of x less that of x given z, by Bayes' rule
    log_x_given_z = log_q_given_x - log_q - np.log(COUNT)
    left = -np.sum(np.exp(log_x_given_z) * log_x_given_z, axis=0)
    information = np.log(COUNT) - _integral((q * left)[None])[0]
    aggregate = _integral((q * (log_q - log_p))[None])[0]
    apart = each - information - aggregate
    return Evidence(
        (
            Finding("mass of the posteriors on the grid, from 1", _largest(_integral(q_given_x) - 1), "<", ROUNDING),
            Finding("mean KL less I less KL of the average, nats", abs(float(apart.mean())), "<", 1e-8),
            Finding("information I(x; z), nats", float(information), ">", 0.0),
            Finding(
                "information above its limit, the entropy ln 5 of x, nats", float(information - np.log(COUNT)), "<", 0.0
            ),
            # one number per x on the left, the same for all on the right
            Finding(
                "the same without averaging, largest difference, nats",
                _largest(apart),
                ">",
                0.1,
            ),
        )
    )


def _largest(values: np.ndarray) -> float:
    return float(np.max(np.abs(values)))


def _ln_over_log10() -> float:
    import sympy as sp

    ratio = sp.Symbol("ratio", positive=True)
    return float(sp.simplify(sp.log(ratio) / sp.log(ratio, 10)))  # a TypeError if the ratio did not cancel


def _logarithms(key: Key[Array, ""]) -> Evidence:
    posterior_key, codes_key = jax.random.split(key)
    with float64():
        posterior, z = _posteriors(posterior_key), _grid()
        log_q, log_p = _log_densities(z, posterior), _log_densities(z, _prior())[0]
        closed = np.asarray(posterior.kl()).sum(axis=1)
        squared, nats, with_tens = _gradients_in_codes(codes_key)
    q = np.exp(log_q)
    in_nats, in_tens = _integral(q * (log_q - log_p)), _integral(q * (np.log10(q) - log_p / np.log(10)))
    (one, weight), *_ = np.linalg.lstsq(np.stack([squared, nats], axis=1), with_tens)
    off = abs(_ln_over_log10() - FACTOR), _largest(closed / in_tens - FACTOR), abs(float(weight) - 1 / FACTOR)
    return Evidence(
        (
            Finding("ln r / log10 r, symbolically, from 2.302585", off[0], "<", 1e-12),
            Finding("kl() / integral of q ln(q / p), from 1", _largest(closed / in_nats - 1), "<", ROUNDING),
            Finding("kl() / integral of q log10(q / p), from 2.302585", off[1], "<", ROUNDING),
            Finding("loss with log10: weight of the error's gradient, from 1", abs(float(one) - 1), "<", ROUNDING),
            Finding("the same: weight of the gradient of KL in nats, from 1 / 2.302585", off[2], "<", ROUNDING),
        )
    )


def _gradients_in_codes(key: Array) -> list[np.ndarray]:
    """Of squared error, of AVAE's KL term in nats, and of the sum of the former and the KL term with log10."""
    centre_key, code_key, target_key = jax.random.split(key, 3)
    centres, codes = jax.random.normal(centre_key, (40, 2)), jax.random.normal(code_key, (12, 2))
    target = jax.random.normal(target_key, codes.shape)

    def squared_error(codes: Array) -> Array:
        return jnp.mean(jnp.sum((codes - target) ** 2, axis=1))

    def divergence(codes: Array, unit: float) -> Array:
        """Mean of log q - log p over the encodings, q a kernel density of bandwidth 0.6; a unit of so many nats."""
        pairs = jnp.repeat(codes, len(centres), axis=0), jnp.tile(centres, (len(codes), 1))
        kernels = gaussian.DiagonalGaussian(pairs[1], jnp.full(pairs[1].shape, 2 * np.log(0.6)))
        log_kernels = kernels.log_density(pairs[0]).reshape(len(codes), len(centres))
        log_q = jax.nn.logsumexp(log_kernels, axis=1) - np.log(len(centres))
        log_p = gaussian.DiagonalGaussian(jnp.zeros(codes.shape), jnp.zeros(codes.shape)).log_density(codes)
        return jnp.mean(log_q - log_p) / unit

    def values(codes: Array) -> Array:
        with_tens = squared_error(codes) + divergence(codes, np.log(10))
        return jnp.stack([squared_error(codes), divergence(codes, 1.0), with_tens])

    return list(np.asarray(jax.jit(jax.jacrev(values))(codes)).reshape(3, -1))


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=24,
        name="Mean KL is information plus KL of the average",
        source="AVAE, and most accounts of the evidence lower bound",
        statement=r"$\mathrm{KL}(q(z\mid x)\,\|\,p)=I(x;z)+\mathrm{KL}(q(z)\,\|\,p)$ with the aggregate posterior "
        r"$q(z)=\mathbb{E}_x\,q(z\mid x)$.",
        verdict=Verdict.CONDITIONAL,
        explanation="It holds for the mean over x of the left side, here for five equally likely data points with "
        "Gaussian posteriors. For a single x the left side is a number of its own while the right side has no x. "
        "A small mean is a bound on both terms; matching the aggregate alone leaves the information free.",
        check=_decomposition,
    ),
    Claim(
        number=25,
        name="A divergence in log10 is 2.3026 times too light",
        source="AVAE, its formula for the loss and its reference code",
        statement=r"The loss of the code, $R+\beta\,\mathbb{E}_q\log_{10}(q/p)$, is that of the formula, "
        r"$R+\beta\,\mathrm{KL}(q\,\|\,p)$.",
        verdict=Verdict.CONDITIONAL,
        explanation="It is the formula's loss with $\\beta/\\ln 10=\\beta/2.3026$: the code takes both logarithms of "
        "its KL term to base 10, so the term and its gradient are that much smaller. A stated β can be compared "
        "only together with the base of the logarithm; here it is e, and every divergence is in nats.",
        check=_logarithms,
    ),
)
