"""Networks with one hidden layer: not the papers' convolutions, but many updates a second."""

import math

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from vrrae_lab.nets import Shape

WIDTH = 128


class DenseEncoder(eqx.Module):
    """Images to latent vectors."""

    net: eqx.nn.MLP

    def __init__(self, shape: Shape, latent_size: int, width: int = WIDTH, *, key: Key[Array, ""]) -> None:
        """`width`: of the hidden layer; `key` draws the initial weights."""
        self.net = eqx.nn.MLP(math.prod(shape), latent_size, width, 1, key=key)

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch latent_size"]:
        return jax.vmap(self.net)(x.reshape(len(x), -1))


class DenseDecoder(eqx.Module):
    """Latent vectors to images."""

    net: eqx.nn.MLP
    shape: Shape = eqx.field(static=True)

    def __init__(self, shape: Shape, latent_size: int, width: int = WIDTH, *, key: Key[Array, ""]) -> None:
        """`width`: of the hidden layer; `key` draws the initial weights."""
        self.net = eqx.nn.MLP(latent_size, math.prod(shape), width, 1, key=key)
        self.shape = shape

    def __call__(self, latents: Float[Array, "batch latent_size"]) -> Float[Array, "batch height width channels"]:
        return jax.vmap(self.net)(latents).reshape(len(latents), *self.shape)
