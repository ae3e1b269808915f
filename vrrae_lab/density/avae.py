r"""The bandwidth of AVAE: the one that makes fresh samples of the prior most likely under kernels on samples of it,

$$h(l, m) = \operatorname*{argmax}_h\ \mathbb{E} \log q_h(z), \qquad z, z_1, \dots, z_m \sim \mathcal{N}(0, I_l).$$

Here it is found by simulation, with an error bar; `quadrature` has the expectation itself.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import as_numbers, check_at_least, check_key, check_positive, check_whole

MOST_NUMBERS = 500_000_000  # in one array


def corrected_bandwidth(bandwidth: float) -> float:
    r"""The bandwidth with which kernels on $\mathcal{N}(0, (1-h_c^2) I)$ average to $\mathcal{N}(0, I)$,

    $$h_c = \frac{h}{\sqrt{1+h^2}},$$

    given the bandwidth $h$ of kernels on $\mathcal{N}(0, I)$, of which it is the same picture in smaller units.

    Raises:
        ValueError: if the bandwidth is not positive and finite.
    """
    check_positive("bandwidth", bandwidth, "standard deviation of the kernels")
    return bandwidth / math.sqrt(1 + bandwidth**2)


@dataclass(frozen=True)
class AvaeBandwidth:
    """A bandwidth found by repeated simulation.

    Attributes:
        trials: the bandwidth of each trial, two or more.
    """

    trials: tuple[float, ...]

    def __post_init__(self) -> None:
        found = as_numbers("trials", self.trials)
        if found.ndim != 1 or len(found) < 2 or not (np.isfinite(found) & (found > 0)).all():
            raise ValueError(f"trials = {self.trials}: give two bandwidths or more, each positive and finite")

    @property
    def estimate(self) -> float:
        """The mean of the trials."""
        return float(np.mean(self.trials))

    @property
    def standard_error(self) -> float:
        """Of the estimate, from the spread of the n trials; in its units errors follow Student's t of n - 1 degrees."""
        return float(np.std(self.trials, ddof=1)) / math.sqrt(len(self.trials))

    @property
    def corrected(self) -> float:
        """The bandwidth $h_c$ on encodings that are to average to the prior; see `corrected_bandwidth`."""
        return corrected_bandwidth(self.estimate)

    @property
    def alpha(self) -> float:
        r"""By what the picture shrinks in the correction, $\alpha = 1/\sqrt{1+h^2}$, so that $h_c = \alpha h$."""
        return 1 / math.sqrt(1 + self.estimate**2)

    @property
    def prior_deviation(self) -> float:
        r"""Standard deviation $\sqrt{1-h_c^2}$ of the Gaussian from which to sample latents; it equals `alpha`."""
        return math.sqrt(1 - self.corrected**2)


def avae_bandwidth(
    latent_size: int, num_centres: int, *, key: Key[Array, ""], num_trials: int = 3, num_queries: int = 1000
) -> AvaeBandwidth:
    r"""AVAE's bandwidth by simulation, each trial with its own centres and queries.

    The published method takes 10,000 steps of Adam, with fresh samples at each. Here a trial draws once, computes one
    matrix of squared distances $D$, and finds the zero of the slope in $\log h$,

    $$\frac{1}{h^2}\, \mathbb{E}_z \sum_i w_i(z)\, D_i(z) - l, \qquad w_i \propto e^{-D_i / 2h^2},$$

    by Newton's method. The matrix takes 4 `num_centres` × `num_queries` bytes.

    The maximum of a random function does not lie at that of its expectation on average. With 500 centres, the mean of
    400 trials was 0.18 of a trial's spread too low in one dimension; in two and in ten it could not be told from
    `exact_avae_bandwidth`.

    Args:
        latent_size: the dimension $l$.
        num_centres: the number of kernels $m$.
        key: draws the centres and the queries.
        num_trials: how often to start afresh; 2 or more, as their spread is the error bar.
        num_queries: how many samples stand for the expectation over $z$.

    Raises:
        ValueError: if a number is too small, or the matrix would take more than 2 GB.
    """
    for name, value in (("latent_size", latent_size), ("num_centres", num_centres), ("num_queries", num_queries)):
        check_at_least(1, name, value)
    check_key(key)
    check_whole("num_trials", num_trials)
    if num_trials < 2:
        raise ValueError(
            f"num_trials = {num_trials}: use 2 or more, or there is no telling how far to trust the result"
        )
    if num_centres * max(num_queries, latent_size) > MOST_NUMBERS:
        raise ValueError(
            f"{num_centres:,} centres in {latent_size:,} dimensions and {num_queries:,} queries would take more than "
            f"{4 * MOST_NUMBERS / 1e9:.0f} GB: ask exact_avae_bandwidth, or use fewer"
        )
    keys = jax.random.split(key, num_trials)
    return AvaeBandwidth(tuple(_trial(latent_size, num_centres, num_queries, key=k) for k in keys))


def _trial(latent_size: int, num_centres: int, num_queries: int, *, key: Key[Array, ""]) -> float:
    # two programs, as compiling takes longer than most trials: of the second there is one for all latent sizes
    return float(_most_likely(_squared_distances(latent_size, num_centres, num_queries, key=key), latent_size))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _squared_distances(
    latent_size: int, num_centres: int, num_queries: int, *, key: Key[Array, ""]
) -> Float[Array, "{num_centres} {num_queries}"]:
    samples = jax.random.normal(key, (num_centres + num_queries, latent_size))
    centres, queries = samples[:num_centres], samples[num_centres:]
    products = jnp.matmul(centres, queries.T, precision="highest")
    squares = jnp.sum(centres**2, axis=1)[:, None] + jnp.sum(queries**2, axis=1)[None, :] - 2 * products
    return jnp.maximum(squares, 0)


_Search = tuple[Array, Array, Array, Array, Array]  # log h, the least and the most it can be, last step, steps


@jax.jit
def _most_likely(squares: Float[Array, "num_centres num_queries"], latent_size: int | Array) -> Float[Array, ""]:
    """The bandwidth of the highest mean log density, from squared distances."""
    # at the maximum h² is a mean of D/l with weights that fall with D: between the mean of least and that of all
    least = jnp.maximum(jnp.mean(jnp.min(squares, axis=0)), jnp.finfo(squares.dtype).tiny)
    low, high = jnp.log(least / latent_size) / 2, jnp.log(jnp.mean(squares) / latent_size) / 2

    def unfinished(state: _Search) -> Array:
        *_, step, count = state
        return (jnp.abs(step) > 1e-3) & (count < 50)  # the error after a Newton step is of the order of its square

    def improve(state: _Search) -> _Search:
        log_h, low, high, _, count = state
        slope, curvature = _slope(squares, latent_size, log_h)
        low, high = jnp.where(slope > 0, log_h, low), jnp.where(slope > 0, high, log_h)
        newton = log_h - slope / curvature
        safe = (newton > low) & (newton < high) & (curvature < 0)
        new = jnp.where(safe, newton, (low + high) / 2)
        return new, low, high, new - log_h, count + 1

    start = (low + high) / 2
    state = (start, low, high, jnp.full((), jnp.inf, start.dtype), jnp.zeros((), int))
    log_h, *_ = lax.while_loop(unfinished, improve, state)
    return jnp.exp(log_h)


def _slope(squares: Array, latent_size: int | Array, log_h: Array) -> tuple[Array, Array]:
    """First and second derivative of the mean log density with respect to log h."""
    rate = jnp.exp(-2 * log_h)
    least = jnp.min(squares, axis=0)
    excess = squares - least[None, :]
    weights = jnp.exp(-rate / 2 * excess)
    total, first, second = (jnp.sum(weights * excess**power, axis=0) for power in range(3))
    mean, variance = least + first / total, second / total - (first / total) ** 2
    return rate * jnp.mean(mean) - latent_size, rate**2 * jnp.mean(variance) - 2 * rate * jnp.mean(mean)
