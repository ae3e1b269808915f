"""The aggregate posterior: the mixture of a data set's own Gaussians, without a bandwidth."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least, check_kind
from vrrae_lab.density.blocks import check_draws, check_finite, check_queries, map_blocks
from vrrae_lab.gaussian import DiagonalGaussian


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
        check_kind("posterior", self.posterior, DiagonalGaussian, "give the Gaussian that model.encode returns")
        if self.posterior.mean.ndim != 2 or self.posterior.mean.size == 0:
            raise ValueError(f"the means have shape {self.posterior.mean.shape}: give one row per sample, at least one")
        if self.posterior.log_variance.shape != self.posterior.mean.shape:
            shapes = self.posterior.log_variance.shape, self.posterior.mean.shape
            raise ValueError(f"the log variances have shape {shapes[0]} and the means {shapes[1]}: give equal ones")
        check_at_least(1, "block_size", self.block_size)
        check_finite("means", self.posterior.mean)
        check_finite("log variances", self.posterior.log_variance)

    @eqx.filter_jit
    def log_density(self, z: Float[Array, "num_queries rank"]) -> Float[Array, " num_queries"]:
        """$\\log q(z)$ of each row of `z`, in nats.

        Raises:
            ValueError: if `z` has another dimension than the posteriors.
        """
        check_queries(z, self.posterior.mean)

        return map_blocks(eqx.Partial(_log_sums, self.posterior), z, self.block_size) - math.log(
            len(self.posterior.mean)
        )

    def sample(self, n: int, *, key: Key[Array, ""]) -> Float[Array, "{n} rank"]:
        """`n` draws, each from the posterior of a random sample.

        Raises:
            ValueError: if `n` is below 1, or more than fits into memory.
        """
        check_draws(n, self.posterior.mean.shape[1], key)
        index_key, noise_key = jax.random.split(key)
        index = jax.random.randint(index_key, (n,), 0, len(self.posterior.mean))
        return DiagonalGaussian(self.posterior.mean[index], self.posterior.log_variance[index]).sample(key=noise_key)


def _log_sums(posterior: DiagonalGaussian, queries: Array) -> Array:
    """Logarithm of the sum of the densities at each query of a block."""

    def log_sum(query: Array) -> Array:
        return jax.nn.logsumexp(posterior.log_density(jnp.broadcast_to(query, posterior.mean.shape)))

    return jax.vmap(log_sum)(queries)
