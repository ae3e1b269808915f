r"""Densities of latents that are known by samples: Gaussian kernels on points, and the aggregate posterior.

The two are kept apart: a *kernel density* puts the same isotropic Gaussian on every point and has a bandwidth; the
*aggregate posterior* $q(z) = \frac1m \sum_i q(z \mid x_i)$ averages the encoder's own Gaussians and has none.

Sums of densities are made from their logarithms ("log-sum-exp"), without a floor, so that they stay right where every
single density underflows. Queries are worked through in blocks, so memory grows with the number of points alone; the
gradient computes each block once more instead of keeping it.

Sources: Saha, Joshi & Whitaker, *Matching aggregate posteriors in the variational autoencoder*, arXiv 2311.07693
(bandwidth and its correction); Silverman, *Density Estimation for Statistics and Data Analysis*, 1986 (kernels).
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from vrrae_lab.gaussian import LOG_2_PI, DiagonalGaussian


class KernelDensity(eqx.Module):
    r"""Isotropic Gaussian kernels of one bandwidth on points,

    $$q_h(z) = \frac{1}{m\,(2\pi h^2)^{l/2}} \sum_{i=1}^m \exp\Big(-\frac{\lVert z - z_i\rVert^2}{2h^2}\Big).$$

    Differentiable in the points, the bandwidth and the query.

    Squared distances come from one matrix product, $|a|^2 + |b|^2 - 2\,a \cdot b$, of vectors centred on the mean of
    the points. What rounding leaves of the differences is an error of the log density of up to about
    $2\varepsilon\,(|a|^2 + |b|^2) / h^2$, with $\varepsilon$ the machine epsilon. In float32 that is 0.005 nats where
    the bandwidth is a hundredth of the points' distance from their mean, and half a nat where it is a thousandth.

    Attributes:
        points: the centres of the kernels, one per row.
        bandwidth: the kernels' standard deviation $h$, in the units of the points.
        block_size: how many queries are worked on at a time.
    """

    points: Float[Array, "num_points dimension"]
    bandwidth: Float[Array, ""]
    block_size: int = eqx.field(static=True)

    def __init__(
        self,
        points: Float[Array, "num_points dimension"] | Float[np.ndarray, "num_points dimension"],
        bandwidth: float | Float[Array, ""],
        *,
        block_size: int = 256,
    ) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if there are no points, if they contain NaN or infinity, or if the bandwidth is not a positive
                finite number.
        """
        self.points = jnp.asarray(points)
        self.bandwidth = jnp.asarray(bandwidth, self.points.dtype)
        self.block_size = block_size
        if self.points.ndim != 2 or self.points.size == 0:
            raise ValueError(f"the points have shape {self.points.shape}: give one row per point, and at least one")
        if block_size < 1:
            raise ValueError(f"block_size = {block_size}: use 1 or more")
        _check_finite("points", self.points)
        if not isinstance(self.bandwidth, jax.core.Tracer) and not 0 < self.bandwidth < math.inf:
            raise ValueError(f"bandwidth = {self.bandwidth}: a kernel's standard deviation is positive and finite")

    @eqx.filter_jit
    def log_density(self, z: Float[Array, "num_queries dimension"]) -> Float[Array, " num_queries"]:
        """$\\log q_h(z)$ of each row of `z`, in nats.

        Raises:
            ValueError: if `z` has another dimension than the points.
        """
        _check_queries(z, self.points)
        return self._log_densities(z, jnp.full(len(z), -1), len(self.points))

    @eqx.filter_jit
    def leave_one_out(self) -> Float[Array, " num_points"]:
        """Log density of each point under the kernels of all *others*, in nats.

        Raises:
            ValueError: if there is one point only.
        """
        count = len(self.points)
        if count < 2:
            raise ValueError("there is 1 point, so none is left when it is left out: give 2 or more")
        return self._log_densities(self.points, jnp.arange(count), count - 1)

    def _log_densities(self, z: Array, left_out: Array, count: int) -> Array:
        """With the kernel of number `left_out` left out of each row's sum; -1 leaves none out."""
        dimension = self.points.shape[1]
        centre = lax.stop_gradient(jnp.mean(self.points, axis=0, keepdims=True))  # distances do not depend on it
        points = self.points - centre
        norms = jnp.sum(points**2, axis=1)

        def log_sum(query_and_index: tuple[Array, Array]) -> Array:
            query, index = query_and_index
            products = jnp.matmul(points, query, precision="highest")
            squares = norms + jnp.sum(query**2) - 2 * products
            squares = squares - lax.stop_gradient(jnp.minimum(squares, 0))  # a clip that keeps the derivatives
            exponents = -squares / (2 * self.bandwidth**2)
            return jax.nn.logsumexp(jnp.where(jnp.arange(len(points)) == index, -jnp.inf, exponents))

        sums = _map_blocks(log_sum, (z - centre, left_out), self.block_size)
        return sums - math.log(count) - dimension * (jnp.log(self.bandwidth) + LOG_2_PI / 2)

    def sample(self, n: int, *, key: Key[Array, ""]) -> Float[Array, "{n} dimension"]:
        """`n` draws: each a random point plus Gaussian noise of the bandwidth."""
        index_key, noise_key = jax.random.split(key)
        points = self.points[jax.random.randint(index_key, (n,), 0, len(self.points))]
        return points + self.bandwidth * jax.random.normal(noise_key, points.shape, points.dtype)


class AggregatePosterior(eqx.Module):
    r"""The mixture of a data set's posteriors, $q(z) = \frac1m \sum_i \mathcal{N}(z; \mu_i, \mathrm{diag}(s_i^2))$.

    Differences to the means are taken coordinate by coordinate: posteriors of a trained model are often so narrow that
    the matrix product of `KernelDensity` would leave nothing of them. That takes more memory, in the gradient above
    all, so blocks are smaller.

    Attributes:
        posterior: the Gaussian of each sample.
        block_size: how many queries are worked on at a time.
    """

    posterior: DiagonalGaussian
    block_size: int = eqx.field(static=True, default=16)

    def __check_init__(self) -> None:
        if self.posterior.mean.ndim != 2 or self.posterior.mean.size == 0:
            raise ValueError(f"the means have shape {self.posterior.mean.shape}: give one row per sample, at least one")
        if self.block_size < 1:
            raise ValueError(f"block_size = {self.block_size}: use 1 or more")
        _check_finite("means", self.posterior.mean)
        _check_finite("log variances", self.posterior.log_variance)

    @eqx.filter_jit
    def log_density(self, z: Float[Array, "num_queries rank"]) -> Float[Array, " num_queries"]:
        """$\\log q(z)$ of each row of `z`, in nats.

        Raises:
            ValueError: if `z` has another dimension than the posteriors.
        """
        _check_queries(z, self.posterior.mean)

        def log_sum(query: Array) -> Array:
            return jax.nn.logsumexp(self.posterior.log_density(jnp.broadcast_to(query, self.posterior.mean.shape)))

        return _map_blocks(log_sum, z, self.block_size) - math.log(len(self.posterior.mean))

    def sample(self, n: int, *, key: Key[Array, ""]) -> Float[Array, "{n} rank"]:
        """`n` draws, each from the posterior of a random sample."""
        index_key, noise_key = jax.random.split(key)
        index = jax.random.randint(index_key, (n,), 0, len(self.posterior.mean))
        return DiagonalGaussian(self.posterior.mean[index], self.posterior.log_variance[index]).sample(key=noise_key)


def corrected_bandwidth(bandwidth: float) -> float:
    r"""The bandwidth with which kernels on $\mathcal{N}(0, (1-h_c^2) I)$ average to $\mathcal{N}(0, I)$,

    $$h_c = \frac{h}{\sqrt{1+h^2}},$$

    given the bandwidth $h$ of kernels on $\mathcal{N}(0, I)$, of which it is the same picture in smaller units.
    """
    return bandwidth / math.sqrt(1 + bandwidth**2)


def best_bandwidth(score: Callable[[float], float], *, low: float = 0.02, high: float = 3.0) -> float:
    """The bandwidth of the highest score, such as a mean log density, to a relative error of about 1e-4.

    Args:
        score: of a bandwidth; with one maximum between `low` and `high`, or else one of its maxima is found.
        low: the smallest bandwidth tried.
        high: the largest.
    """
    from scipy.optimize import minimize_scalar

    if not 0 < low < high < math.inf:
        raise ValueError(f"low = {low}, high = {high}: the search needs 0 < low < high, both finite")
    bounds = (math.log(low), math.log(high))
    result = minimize_scalar(lambda t: -score(math.exp(t)), bounds=bounds, method="bounded", options={"xatol": 1e-4})
    return math.exp(result.x)


def avae_bandwidth(
    latent_size: int, num_centres: int, *, key: Key[Array, ""], num_trials: int = 3, num_queries: int = 1000
) -> Float[np.ndarray, " {num_trials}"]:
    r"""The bandwidth that makes samples of the prior most likely under kernels on other samples of it (AVAE),

    $$h = \operatorname*{argmax}_h\ \mathbb{E}_{z \sim \mathcal{N}(0, I)} \log q_h(z),
      \qquad z_1, \dots, z_m \sim \mathcal{N}(0, I).$$

    Args:
        latent_size: the dimension $l$.
        num_centres: the number of kernels $m$.
        key: draws the centres and the queries.
        num_trials: how often to start afresh.
        num_queries: how many samples stand for the expectation.

    Returns:
        The bandwidth of each trial: their mean is the estimate, their spread says how far to trust it.
    """
    numbers = {"latent_size": latent_size, "num_centres": num_centres, "num_trials": num_trials}
    for name, value in (numbers | {"num_queries": num_queries}).items():
        if value < 1:
            raise ValueError(f"{name} = {value}: use 1 or more")
    found = []
    for trial_key in jax.random.split(key, num_trials):
        centre_key, query_key = jax.random.split(trial_key)
        centres = jax.random.normal(centre_key, (num_centres, latent_size))
        queries = jax.random.normal(query_key, (num_queries, latent_size))

        def score(bandwidth: float, centres: Array = centres, queries: Array = queries) -> float:
            return float(KernelDensity(centres, bandwidth).log_density(queries).mean())

        found.append(best_bandwidth(score))
    return np.array(found)


def _map_blocks(function: Callable, queries: object, block_size: int) -> Array:
    """`function` of each query, `block_size` at a time; a block's intermediate results are not kept."""
    return lax.map(jax.checkpoint(function), queries, batch_size=block_size)


def _check_finite(name: str, array: Array) -> None:
    if not isinstance(array, jax.core.Tracer) and not np.isfinite(np.asarray(array)).all():
        raise ValueError(f"the {name} contain NaN or infinity: remove those rows, or mend what made them")


def _check_queries(z: Array, points: Array) -> None:
    if z.ndim != 2 or z.shape[1] != points.shape[1]:
        raise ValueError(f"z has shape {z.shape}: give one query per row, of dimension {points.shape[1]}")
