"""Losses that add to the reconstruction a penalty on the latents: sparse, contractive, of low rank."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vrrae_lab.bottlenecks import Activations, LinearStack
from vrrae_lab.checks import check_number, check_whole
from vrrae_lab.linalg import nan_unless_finite
from vrrae_lab.losses.variational import Convention, Reconstruction, Terms, checked_weight
from vrrae_lab.models import Autoencoder, is_frozen


class Sparse(eqx.Module):
    r"""Reconstruction plus β times how far the mean activation of each unit is from a small one.

    $$\sum_j \Big( \rho \log\frac{\rho}{\hat\rho_j} + (1 - \rho) \log\frac{1 - \rho}{1 - \hat\rho_j} \Big), \qquad
      \hat\rho_j = \frac1B \sum_b h_{bj}$$

    with $h$ the activations behind the sigmoid (Ng 2011). The mean is that of *one* unit over the batch: pooled over
    the units, units that are always on would make up for others that are always off.

    Attributes:
        beta: weight of the penalty, 0 or more; an array.
        rho: the mean activation that costs nothing, between 0 and 1; an array.
        reconstruction: the convention of the loss.
    """

    beta: Float[Array, ""]
    rho: Float[Array, ""]
    reconstruction: Convention

    def __init__(
        self,
        beta: float | Float[Array, ""],
        rho: float | Float[Array, ""] = 0.05,
        reconstruction: Convention = Reconstruction(),  # noqa: B008  it has no state
    ) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if `beta` is negative or not finite, or `rho` is not between 0 and 1.
        """
        self.beta = checked_weight("beta", beta)
        check_number("rho", rho)
        if not isinstance(rho, jax.core.Tracer) and not 0 < rho < 1:
            raise ValueError(f"rho = {rho}: a mean activation lies between 0 and 1, both excluded")
        self.rho = jnp.asarray(rho, jnp.result_type(float))
        self.reconstruction = reconstruction

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        """Raises: ValueError: if the model has no activations."""
        squares, posterior = model.squared_error(batch, key=key)
        if not isinstance(posterior, Activations):
            raise ValueError(
                f"this loss needs activations between 0 and 1, but the model's posterior is a "
                f"{type(posterior).__name__}: use models.sparse_ae, or the bottleneck Sigmoid"
            )
        reconstruction = self.reconstruction.error(squares, batch)
        sparsity = jnp.sum(_divergence_from_mean_activation(self.rho, posterior.logits))
        return reconstruction + self.beta * sparsity, {"reconstruction": reconstruction, "sparsity": sparsity}


def _divergence_from_mean_activation(rho: Array, logits: Array) -> Array:
    """The divergence of each unit.

    By sums of logarithms, so that it and its gradient stay finite and right where activations round to 0 or 1.
    """
    count = math.log(len(logits))
    log_on = jax.nn.logsumexp(jax.nn.log_sigmoid(logits), axis=0) - count
    log_off = jax.nn.logsumexp(jax.nn.log_sigmoid(-logits), axis=0) - count
    return rho * (jnp.log(rho) - log_on) + (1 - rho) * (jnp.log1p(-rho) - log_off)


class Contractive(eqx.Module):
    r"""Reconstruction plus β times the squared norm of the Jacobian, $\lVert \partial z / \partial x \rVert_F^2$.

    $z$ is the mean of the posterior (Rifai et al. 2011, with the Jacobian of the whole encoder, not the formula for one
    sigmoid layer). Exact, it takes a backward pass through the encoder for each latent; Hutchinson's estimator takes
    one for each probe, $\lVert v^T \partial z / \partial x \rVert^2$ with the entries of $v$ ±1 at random, and has the
    same mean.

    Attributes:
        beta: weight of the penalty, 0 or more; an array.
        num_probes: random probes for each image, or None for the exact norm.
        reconstruction: the convention of the loss.
    """

    beta: Float[Array, ""]
    num_probes: int | None = eqx.field(static=True)
    reconstruction: Convention

    def __init__(
        self,
        beta: float | Float[Array, ""],
        num_probes: int | None = None,
        reconstruction: Convention = Reconstruction(),  # noqa: B008  it has no state
    ) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if `beta` is negative or not finite, or there are fewer probes than 1.
        """
        self.beta = checked_weight("beta", beta)
        if num_probes is not None:
            check_whole("num_probes", num_probes)
        if num_probes is not None and num_probes < 1:
            raise ValueError(f"num_probes = {num_probes}: use 1 or more, or None for the exact norm")
        self.num_probes, self.reconstruction = num_probes, reconstruction

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        """Raises: ValueError: if the latents of an image depend on its batch."""
        if not is_frozen(model):
            raise ValueError(
                "the coefficients of this model depend on the whole batch, so an image has no Jacobian of its own: "
                "use a model without an SVD, such as models.contractive_ae"
            )
        squares, _ = model.squared_error(batch, key=key)
        reconstruction = self.reconstruction.error(squares, batch)
        norms = self._squared_norms(model, batch, jax.random.fold_in(key, 1))
        contraction = self.reconstruction.over_batch(norms)
        return reconstruction + self.beta * contraction, {"reconstruction": reconstruction, "contraction": contraction}

    def _squared_norms(self, model: Autoencoder, batch: Array, key: Array) -> Array:
        """That of each image. Images do not touch each other's latents, so a pass serves the whole batch."""
        z, pull_back = jax.vjp(lambda x: model.bottleneck.encode(model.encoder(x)).mean, batch)

        def squared_norms(probe: Array) -> Array:
            (product,) = pull_back(probe)
            return jnp.sum(product.reshape(len(batch), -1) ** 2, axis=1)

        if self.num_probes is None:
            units = jnp.broadcast_to(jnp.eye(z.shape[1], dtype=z.dtype)[:, None, :], (z.shape[1], *z.shape))
            return jnp.sum(jax.lax.map(squared_norms, units), axis=0)
        probes = jax.random.rademacher(key, (self.num_probes, *z.shape), z.dtype)
        return jnp.mean(jax.lax.map(squared_norms, probes), axis=0)


class NuclearNorm(eqx.Module):
    r"""Reconstruction plus λ times the nuclear norm $\sum_j \sigma_j(W)$ of the matrix before the latents (LoRAE).

    Its gradient is $U V^T$ of the singular vectors of $W$: the same pull on every singular value, however small.

    Attributes:
        weight: λ, 0 or more; an array.
        reconstruction: the convention of the loss.
    """

    weight: Float[Array, ""]
    reconstruction: Convention

    def __init__(
        self,
        weight: float | Float[Array, ""] = 1e-3,
        reconstruction: Convention = Reconstruction(),  # noqa: B008  it has no state
    ) -> None:
        """Args: as the attributes.

        Raises:
            ValueError: if `weight` is negative or not finite.
        """
        self.weight, self.reconstruction = checked_weight("weight", weight), reconstruction

    def __call__(
        self, model: Autoencoder, batch: Float[Array, "batch ..."], *, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], Terms]:
        """Raises: ValueError: if the model does not have exactly one such matrix."""
        stack = model.bottleneck
        if not isinstance(stack, LinearStack) or len(stack.layers) != 1:
            raise ValueError(
                f"this loss weighs the norm of one matrix before the latents, but the bottleneck is a "
                f"{type(stack).__name__}{f' of {len(stack.layers)}' if isinstance(stack, LinearStack) else ''}: "
                "use models.lorae"
            )
        squares, _ = model.squared_error(batch, key=key)
        reconstruction = self.reconstruction.error(squares, batch)
        norm = jnp.sum(jnp.linalg.svd(nan_unless_finite(stack.layers[0].weight), compute_uv=False))
        return reconstruction + self.weight * norm, {"reconstruction": reconstruction, "nuclear_norm": norm}
