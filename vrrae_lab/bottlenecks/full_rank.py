"""Bottlenecks that do not look at the batch as a whole: nothing, linear layers, a sigmoid, a Gaussian."""

from typing import NamedTuple, Protocol, runtime_checkable

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least, check_key, check_kind, check_memory, check_whole
from vrrae_lab.gaussian import DiagonalGaussian, PointMass, Posterior
from vrrae_lab.randomness import linear

MOST_MATRICES = 1000  # each is compiled; the papers use up to 8


class Draw(NamedTuple):
    """One pass through a bottleneck: the posterior, and latents for the decoder made from one sample of it."""

    posterior: Posterior
    latents: Float[Array, "batch decoder_size"]


@runtime_checkable
class Bottleneck(Protocol):
    """The three calls described in the package's docstring."""

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw: ...

    def encode(self, latents: Float[Array, "batch latent_size"]) -> Posterior: ...

    def decode(self, z: Float[Array, "batch rank"]) -> Float[Array, "batch decoder_size"]: ...


class Identity(eqx.Module):
    """The latents themselves, without truncation or noise (AE)."""

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        return Draw(PointMass(latents), latents)

    def encode(self, latents: Float[Array, "batch latent_size"]) -> PointMass:
        return PointMass(latents)

    def decode(self, z: Float[Array, "batch latent_size"]) -> Float[Array, "batch latent_size"]:
        return z


class LinearStack(eqx.Module):
    r"""The latents through linear layers without bias, $z = W_l \cdots W_1 y$ (IRMAE; LoRAE with one layer).

    A product of matrices can do no more than one of them; what they change is how gradient descent learns, which then
    prefers a low rank.

    Attributes:
        layers: in the order in which they are applied, each with initial weights of its own.
    """

    layers: tuple[eqx.nn.Linear, ...]

    def __init__(self, latent_size: int, num_matrices: int, *, key: Key[Array, ""]) -> None:
        """`key` draws the initial weights.

        Raises:
            ValueError: if there is no matrix, or more than can be compiled or fit into memory.
        """
        check_at_least(1, "latent_size", latent_size)
        check_whole("num_matrices", num_matrices)
        check_memory(4 * num_matrices * latent_size**2, f"num_matrices = {num_matrices} of latent_size = {latent_size}")
        check_key(key)
        if num_matrices > MOST_MATRICES:
            raise ValueError(f"num_matrices = {num_matrices}: use {MOST_MATRICES} or fewer")
        if num_matrices < 1:
            raise ValueError(f"num_matrices = {num_matrices}: use 1 or more, or a plain autoencoder for none")
        keys = jax.random.split(key, num_matrices)
        self.layers = tuple(linear(latent_size, latent_size, use_bias=False, key=k) for k in keys)

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        posterior = self.encode(latents)
        return Draw(posterior, posterior.mean)

    def encode(self, latents: Float[Array, "batch latent_size"]) -> PointMass:
        for layer in self.layers:
            latents = jax.vmap(layer)(latents)
        return PointMass(latents)

    def decode(self, z: Float[Array, "batch latent_size"]) -> Float[Array, "batch latent_size"]:
        return z


class Activations(eqx.Module):
    r"""A point mass at activations between 0 and 1.

    Attributes:
        mean: the activations, $1 / (1 + e^{-y})$.
        logits: $y$, which tell apart activations that rounding makes equal to 0 or 1.
    """

    mean: Float[Array, "batch latent_size"]
    logits: Float[Array, "batch latent_size"]

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, "batch latent_size"]:
        """The activations; the key is accepted so that every posterior is sampled in the same way."""
        return self.mean


class Sigmoid(eqx.Module):
    """The latents through a sigmoid, so that each is the activation of a unit (sparse autoencoder)."""

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        posterior = self.encode(latents)
        return Draw(posterior, posterior.mean)

    def encode(self, latents: Float[Array, "batch latent_size"]) -> Activations:
        return Activations(jax.nn.sigmoid(latents), latents)

    def decode(self, z: Float[Array, "batch latent_size"]) -> Float[Array, "batch latent_size"]:
        return z


MeanLayer = eqx.nn.Linear | eqx.nn.Identity


def check_mean_layer(mean_layer: MeanLayer | None) -> None:
    """Refuse what is no layer of a mean.

    Raises:
        TypeError: naming the value and the remedy.
    """
    check_kind("mean_layer", mean_layer, MeanLayer | None, "give an equinox.nn.Linear or Identity, or None")


class Variational(eqx.Module):
    """A Gaussian whose mean and log variance are linear in the latents (VAE), or whose mean is the latents (f = I)."""

    mean_layer: MeanLayer
    log_variance_layer: eqx.nn.Linear

    def __init__(self, latent_size: int, *, mean_layer: MeanLayer | None = None, key: Key[Array, ""]) -> None:
        """`key` draws the initial weights; a mean layer that is given keeps its own.

        Raises:
            ValueError: if `latent_size` is below 1, or larger than fits into memory.
        """
        check_at_least(1, "latent_size", latent_size)
        check_memory(8 * latent_size**2, f"two matrices of latent_size = {latent_size}")
        check_mean_layer(mean_layer)
        check_key(key)
        mean_key, variance_key = jax.random.split(key)
        self.mean_layer = linear(latent_size, latent_size, key=mean_key) if mean_layer is None else mean_layer
        self.log_variance_layer = linear(latent_size, latent_size, key=variance_key)

    def __call__(self, latents: Float[Array, "batch latent_size"], *, key: Key[Array, ""]) -> Draw:
        posterior = self.encode(latents)
        return Draw(posterior, posterior.sample(key=key))

    def encode(self, latents: Float[Array, "batch latent_size"]) -> DiagonalGaussian:
        return DiagonalGaussian(jax.vmap(self.mean_layer)(latents), jax.vmap(self.log_variance_layer)(latents))

    def decode(self, z: Float[Array, "batch latent_size"]) -> Float[Array, "batch latent_size"]:
        return z
