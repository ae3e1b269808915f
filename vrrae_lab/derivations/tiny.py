"""Autoencoders of two small layers a side, for checks that need something to bend: they train in seconds."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from vrrae_lab import bottlenecks
from vrrae_lab.models import Autoencoder

Shape = tuple[int, int, int]


class TwoLayers(eqx.Module):
    """Linear, tanh, linear: flat inputs to outputs of a shape, whole batches."""

    first: eqx.nn.Linear
    last: eqx.nn.Linear
    shape: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, inputs: int, hidden: int, shape: tuple[int, ...], *, key: Key[Array, ""]) -> None:
        """`key` draws the initial weights."""
        first_key, last_key = jax.random.split(key)
        outputs = 1
        for side in shape:
            outputs *= side
        self.first = eqx.nn.Linear(inputs, hidden, key=first_key)
        self.last = eqx.nn.Linear(hidden, outputs, key=last_key)
        self.shape = shape

    def __call__(self, x: Float[Array, "batch ..."]) -> Float[Array, "batch ..."]:
        hidden = jnp.tanh(jax.vmap(self.first)(x.reshape(len(x), -1)))
        return jax.vmap(self.last)(hidden).reshape(len(x), *self.shape)


def tiny_autoencoder(
    shape: Shape, hidden: int, latent_size: int, bottleneck: bottlenecks.Bottleneck, *, key: Key[Array, ""]
) -> Autoencoder:
    """Two layers, this bottleneck, two layers."""
    encoder_key, decoder_key = jax.random.split(key)
    features = shape[0] * shape[1] * shape[2]
    return Autoencoder(
        TwoLayers(features, hidden, (latent_size,), key=encoder_key),
        bottleneck,
        TwoLayers(latent_size, hidden, shape, key=decoder_key),
        shape,
    )
