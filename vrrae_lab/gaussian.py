r"""Posteriors over latent coefficients: a diagonal Gaussian, and its deterministic limit, a point mass."""

from typing import Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_array

LOG_2_PI = 1.8378770664093453


@runtime_checkable
class Posterior(Protocol):
    """What the encoder knows of a batch's coefficients: a mean, and how to draw from it."""

    mean: Float[Array, "batch rank"]

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "batch rank"]: ...


class PointMass(eqx.Module):
    """The posterior of a deterministic autoencoder: all its mass at `mean`."""

    mean: Float[Array, "batch rank"]

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "batch rank"]:
        """The mean itself; the key is accepted so that every posterior is sampled in the same way."""
        return self.mean


class DiagonalGaussian(eqx.Module):
    r"""$q(z \mid x) = \mathcal{N}(\mu, \mathrm{diag}(s^2))$, one per sample.

    Attributes:
        mean: $\mu$; for a VRRAE the SVD coefficients $\alpha$.
        log_variance: $\log s^2$.
    """

    mean: Float[Array, "batch rank"]
    log_variance: Float[Array, "batch rank"]

    @property
    def standard_deviation(self) -> Float[Array, "batch rank"]:
        """$s$, in the units of the mean."""
        return jnp.exp(0.5 * self.log_variance)

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "batch rank"]:
        r"""$z = \mu + s \odot \epsilon$ with $\epsilon \sim \mathcal{N}(0, I)$ (reparameterised, so differentiable)."""
        noise = jax.random.normal(key, self.mean.shape, self.mean.dtype)
        return self.mean + self.standard_deviation * noise

    def log_density(self, z: Float[Array, "batch rank"]) -> Float[Array, " batch"]:
        """Log density of `z`, in nats."""
        squares = (z - self.mean) ** 2 * jnp.exp(-self.log_variance)
        return -0.5 * jnp.sum(squares + self.log_variance + LOG_2_PI, axis=-1)

    def kl(self) -> Float[Array, "batch rank"]:
        r"""KL divergence to $\mathcal{N}(0, I)$ of each sample and coefficient, in nats (VRRAE, Eq. 2, one term).

        $$\tfrac12\left(\mu^2 + s^2 - 1 - \log s^2\right)$$
        """
        # expm1 keeps the difference s² - 1 - log s² exact near the prior, where its terms cancel
        return 0.5 * (self.mean**2 + jnp.expm1(self.log_variance) - self.log_variance)


def kl_from_singular_values(
    singular_values: Float[Array, " rank"], log_variance: Float[Array, "batch rank"]
) -> Float[Array, ""]:
    r"""KL divergence to $\mathcal{N}(0, I)$ summed over a batch, by its singular values, in nats (VRRAE, Eq. 7).

    $$\tfrac12 \sum_j \Big(\sigma_j^2 + \sum_b \big(s_{bj}^2 - 1 - \log s_{bj}^2\big)\Big)$$

    Equal to the sum of Eq. 2 over the batch that was decomposed, because there $\sum_b \alpha_{bj}^2 = \sigma_j^2$.
    It says nothing of a single sample, nor of a batch encoded with a fixed basis.

    Raises:
        ValueError: if there is not one singular value for each column of the log variances.
    """
    check_array("singular_values", singular_values)
    check_array("log_variance", log_variance)
    if log_variance.ndim != 2 or singular_values.shape != log_variance.shape[1:]:
        shapes = f"singular_values has shape {singular_values.shape}, log_variance {log_variance.shape}"
        raise ValueError(f"{shapes}: give one singular value per column")
    return 0.5 * (jnp.sum(singular_values**2) + jnp.sum(jnp.expm1(log_variance) - log_variance))
