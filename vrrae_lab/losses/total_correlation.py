r"""β-TCVAE: the KL divergence to the prior in three parts, each with a weight of its own.

Averaged over the $N$ images, with $q(z) = \frac1N \sum_n q(z \mid x_n)$ the aggregate posterior,

$$\mathbb{E}_n \mathrm{KL}(q(z \mid x_n) \,\|\, p(z)) =
  \underbrace{I(z; n)}_{\text{mutual information}}
  + \underbrace{\mathrm{KL}\big(q(z) \,\big\|\, \textstyle\prod_j q(z_j)\big)}_{\text{total correlation}}
  + \underbrace{\textstyle\sum_j \mathrm{KL}(q(z_j) \,\|\, p(z_j))}_{\text{dimension-wise KL}}.$$

All three need $\log q(z)$, a sum over the whole data set; the estimators make it of a batch, as
$\log \sum_m w_{bm}\, q(z_b \mid x_m)$ with $z_b$ a sample of $q(z \mid x_b)$, and likewise for each $z_j$ alone. The
parts sum to $\log q(z_b \mid x_b) - \log p(z_b)$ whatever the weights $w$, since $\log q(z)$ and $\log q(z_j)$ cancel.

Source: Chen et al., *Isolating sources of disentanglement in variational autoencoders*, arXiv 1802.04942.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least, check_kind
from vrrae_lab.gaussian import LOG_2_PI, DiagonalGaussian
from vrrae_lab.losses.variational import Convention, Reconstruction, Terms, checked_weight, gaussian
from vrrae_lab.models import Autoencoder


class MinibatchWeighted(eqx.Module):
    r"""$w_{bm} = 1 / (N B)$ (Chen et al., minibatch-weighted sampling).

    Biased: the sum of the weights is $1/N$. On the whole data set as one batch, each $\log q$ is too small by $\log N$,
    so that the mutual information comes out too large by $\log N$, the total correlation too large by
    $(k - 1) \log N$, and the dimension-wise KL divergence too small by $k \log N$, $k$ being the number of latents. The
    gradient is right there.

    Attributes:
        num_images: $N$, the size of the data set.
    """

    num_images: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        check_at_least(1, "num_images", self.num_images)

    def weights(self, batch_size: int) -> Float[Array, "batch_size batch_size"]:
        """The matrix w.

        Raises:
            ValueError: if the batch is larger than the data set.
        """
        _check_size(self.num_images, batch_size)
        return jnp.full((batch_size, batch_size), 1 / (self.num_images * batch_size))


class MinibatchStratified(eqx.Module):
    r"""$w_{bb} = 1/N$ for the image of the sample itself, $w_{bm} = (N - 1) / (N (B - 1))$ for each other.

    An unbiased estimate of $q(z_b)$, and exact on the whole data set as one batch; its logarithm is biased in smaller
    ones. (Chen et al., minibatch-stratified sampling, give one of the other images a smaller weight than the rest. The
    expectation is the same, and with equal weights the estimate does not depend on the order of the batch.)

    Attributes:
        num_images: $N$, the size of the data set.
    """

    num_images: int = eqx.field(static=True)

    def __check_init__(self) -> None:
        check_at_least(1, "num_images", self.num_images)

    def weights(self, batch_size: int) -> Float[Array, "batch_size batch_size"]:
        """The matrix w.

        Raises:
            ValueError: if the batch is larger than the data set, or a single image.
        """
        _check_size(self.num_images, batch_size)
        if batch_size < 2:
            raise ValueError("a batch of 1 says nothing of the other images: use a batch_size of 2 or more")
        other = (self.num_images - 1) / (self.num_images * (batch_size - 1))
        return jnp.where(jnp.eye(batch_size, dtype=bool), 1 / self.num_images, other)


def _check_size(num_images: int, batch_size: int) -> None:
    check_at_least(1, "batch_size", batch_size)
    if batch_size > num_images:
        raise ValueError(
            f"num_images = {num_images}, but a batch has {batch_size}: give the size of the whole training set"
        )


class TotalCorrelation(eqx.Module):
    r"""Reconstruction $+\ \alpha I + \beta\, \mathrm{TC} + \gamma \sum_j \mathrm{KL}_j$ (β-TCVAE).

    With α = β = γ it is `Variational`, its KL divergence estimated by the one sample that is drawn anyway.

    Attributes:
        beta: weight of the total correlation, 0 or more; an array, as are the other weights.
        estimator: of the aggregate posterior.
        alpha: weight of the mutual information between image and latents.
        gamma: weight of the dimension-wise KL divergence.
        reconstruction: the convention of the loss.
    """

    beta: Float[Array, ""]
    alpha: Float[Array, ""]
    gamma: Float[Array, ""]
    estimator: MinibatchWeighted | MinibatchStratified
    reconstruction: Convention

    def __init__(
        self,
        beta: float | Float[Array, ""],
        estimator: MinibatchWeighted | MinibatchStratified,
        alpha: float | Float[Array, ""] = 1.0,
        gamma: float | Float[Array, ""] = 1.0,
        reconstruction: Convention = Reconstruction(),  # noqa: B008  it has no state
    ) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if a weight is negative or not finite.
        """
        kinds = MinibatchWeighted | MinibatchStratified
        check_kind("estimator", estimator, kinds, "give a MinibatchWeighted or a MinibatchStratified")
        self.beta, self.alpha, self.gamma = (
            checked_weight(name, weight) for name, weight in (("beta", beta), ("alpha", alpha), ("gamma", gamma))
        )
        self.estimator, self.reconstruction = estimator, reconstruction

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        """Raises: ValueError: if the posterior is not Gaussian or the batch does not fit the estimator."""
        squares, posterior = model.squared_error(batch, key=key)
        posterior = gaussian(posterior)
        z = posterior.sample(key=key)  # the same that the decoder has seen
        parts = decompose(posterior, z, self.estimator.weights(len(batch)))
        reconstruction = self.reconstruction.error(squares, batch)
        information, correlation, divergence = (self.reconstruction.over_batch(part) for part in parts)
        value = reconstruction + self.alpha * information + self.beta * correlation + self.gamma * divergence
        return value, {
            "reconstruction": reconstruction,
            "mutual_information": information,
            "total_correlation": correlation,
            "dimension_wise_kl": divergence,
        }


def decompose(
    posterior: DiagonalGaussian, z: Float[Array, "batch rank"], weights: Float[Array, "batch batch"]
) -> tuple[Float[Array, " batch"], Float[Array, " batch"], Float[Array, " batch"]]:
    """Mutual information, total correlation and dimension-wise KL divergence: what each sample adds to their means.

    Args:
        posterior: of the images of a batch.
        z: a sample of each.
        weights: of posterior m in the density of sample b, in row b.
    """
    # densities of sample b (axis 0) under posterior m (axis 1), coefficient by coefficient
    mean, log_variance = posterior.mean[None], posterior.log_variance[None]
    log_densities = -0.5 * ((z[:, None] - mean) ** 2 * jnp.exp(-log_variance) + log_variance + LOG_2_PI)
    log_weights = jnp.log(weights).astype(z.dtype)
    log_q = jax.nn.logsumexp(log_weights + jnp.sum(log_densities, axis=2), axis=1)
    log_q_each = jnp.sum(jax.nn.logsumexp(log_weights[:, :, None] + log_densities, axis=1), axis=1)
    log_prior = -0.5 * jnp.sum(z**2 + LOG_2_PI, axis=1)
    return posterior.log_density(z) - log_q, log_q - log_q_each, log_q_each - log_prior
