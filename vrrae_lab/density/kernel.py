"""The kernel density: one isotropic Gaussian, of one bandwidth, on every point."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_array, check_at_least, check_number, check_positive
from vrrae_lab.density.blocks import check_draws, check_finite, check_queries, map_blocks
from vrrae_lab.gaussian import LOG_2_PI


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
        block_size: int = 64,
    ) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if there are no points, if they contain NaN or infinity, or if the bandwidth is not a positive
                finite number.
        """
        check_array("points", points)
        check_number("bandwidth", bandwidth)
        points = jnp.asarray(points)
        # whole numbers too are points, but a bandwidth of their type would be cut off to a whole number
        self.points = points if jnp.issubdtype(points.dtype, jnp.floating) else points.astype(float)
        self.bandwidth = jnp.asarray(bandwidth, self.points.dtype)
        self.block_size = block_size
        if self.points.ndim != 2 or self.points.size == 0:
            raise ValueError(f"the points have shape {self.points.shape}: give one row per point, and at least one")
        check_at_least(1, "block_size", block_size)
        check_finite("points", self.points)
        if not isinstance(self.bandwidth, jax.core.Tracer):
            check_positive("bandwidth", self.bandwidth, "standard deviation of the kernels")

    @eqx.filter_jit
    def log_density(self, z: Float[Array, "num_queries dimension"]) -> Float[Array, " num_queries"]:
        """$\\log q_h(z)$ of each row of `z`, in nats.

        Raises:
            ValueError: if `z` has another dimension than the points.
        """
        check_queries(z, self.points)
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
        log_sums = eqx.Partial(_log_sums, points, norms, self.bandwidth)
        sums = map_blocks(log_sums, (z - centre, left_out), self.block_size)
        return sums - math.log(count) - dimension * (jnp.log(self.bandwidth) + LOG_2_PI / 2)

    def sample(self, n: int, *, key: Key[Array, ""]) -> Float[Array, "{n} dimension"]:
        """`n` draws: each a random point plus Gaussian noise of the bandwidth.

        Raises:
            ValueError: if `n` is below 1, or more than fits into memory.
        """
        check_draws(n, self.points.shape[1], key)
        index_key, noise_key = jax.random.split(key)
        points = self.points[jax.random.randint(index_key, (n,), 0, len(self.points))]
        return points + self.bandwidth * jax.random.normal(noise_key, points.shape, points.dtype)


def _log_sums(points: Array, norms: Array, bandwidth: Array, queries_and_indices: tuple[Array, Array]) -> Array:
    """Logarithm of the sum of the kernels, not normalised, at each query of a block, that of its index left out."""
    queries, indices = queries_and_indices
    # points in rows: on a CPU sums down the columns are faster than along rows of so many numbers
    products = jnp.matmul(points, queries.T, precision="highest")
    squares = norms[:, None] + jnp.sum(queries**2, axis=1)[None, :] - 2 * products
    squares = squares - lax.stop_gradient(jnp.minimum(squares, 0))  # a clip that keeps the derivatives
    left_out = jnp.arange(len(points))[:, None] == indices[None, :]
    return jax.nn.logsumexp(jnp.where(left_out, -jnp.inf, -squares / (2 * bandwidth**2)), axis=0)
