"""Networks computed in bfloat16, as accelerators do fastest; everything else stays in float32."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vrrae_lab.models.autoencoder import Autoencoder, check_model


class InBfloat16(eqx.Module):
    """A network whose weights and activations are rounded to bfloat16 where it is computed.

    Attributes:
        network: arrays to arrays; its weights are kept, and updated, as they are.
    """

    network: Callable[[Array], Array]

    def __call__(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        rounded = jax.tree.map(_round, self.network, is_leaf=eqx.is_array)
        return rounded(x.astype(jnp.bfloat16)).astype(x.dtype)


def _round(leaf: object) -> object:
    return leaf.astype(jnp.bfloat16) if isinstance(leaf, jax.Array) and eqx.is_inexact_array(leaf) else leaf


def mixed_precision(model: Autoencoder) -> Autoencoder:
    """The model with encoder and decoder in bfloat16; its SVD, its noise, the KL divergence and the error in float32.

    bfloat16 has float32's range with 8 bits of precision in place of 24, so the loss needs no scaling. Weights and
    gradients are float32. It is meant for accelerators: on a CPU it is slower. What it costs in error and saves in time
    is measured in `benchmarks` (`precision`). A checkpoint of the model is that of the same model in float32.

    Source: Micikevicius et al., *Mixed Precision Training*, arXiv 1710.03740.
    """
    check_model(model)
    if isinstance(model.encoder, InBfloat16):
        return model
    parts = InBfloat16(model.encoder), InBfloat16(model.decoder)
    return Autoencoder(parts[0], model.bottleneck, parts[1], model.shape, model.recipe)
