"""One autoencoder class and a named constructor for each model of the papers.

A model is an encoder, a bottleneck and a decoder; a new variant is a new bottleneck or a new loss, never a subclass.
"""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped, UInt8

from vrrae_lab.bottlenecks import (
    BatchBasis,
    Bottleneck,
    Draw,
    FixedBasis,
    Identity,
    LowRank,
    Variational,
    VariationalLowRank,
)
from vrrae_lab.gaussian import Posterior
from vrrae_lab.linalg import gram_basis
from vrrae_lab.microbatch import microbatch_sum
from vrrae_lab.nets import ConvDecoder, ConvEncoder, Shape, microbatch_size

Images = (
    Float[Array, "batch height width channels"]
    | Float[np.ndarray, "batch height width channels"]
    | UInt8[Array, "batch height width channels"]
    | UInt8[np.ndarray, "batch height width channels"]
)


# Samples at a time where no gradient is needed. Small sets fill it too, so that one compiled size serves them all.
BATCH = 100


class Recipe(NamedTuple):
    """How a model was made, so that a checkpoint can make it again: constructor name and arguments but the key."""

    constructor: str
    arguments: tuple[tuple[str, Any], ...]


class Reconstruction(NamedTuple):
    """One training pass: the images decoded from one sample of the posterior, and the posterior."""

    x_hat: Float[Array, "batch height width channels"]
    posterior: Posterior


class SquaredError(NamedTuple):
    """One training pass: the squared error summed over batch and features, and the posterior."""

    total: Float[Array, ""]
    posterior: Posterior


def _squared_error(decoder: Callable[[Array], Array], latents: Array, x: Array) -> Array:
    return jnp.sum((decoder(latents) - x) ** 2)


class Autoencoder(eqx.Module):
    """Encoder, bottleneck, decoder.

    Attributes:
        encoder: images to latents, whole batches.
        bottleneck: see `vrrae_lab.bottlenecks`.
        decoder: latents to images, whole batches.
        shape: (height, width, channels) of one image.
        recipe: the named constructor that made the model, or None for one composed by hand.
    """

    encoder: Callable[[Array], Array]
    bottleneck: Bottleneck
    decoder: Callable[[Array], Array]
    shape: Shape = eqx.field(static=True)
    recipe: Recipe | None = eqx.field(static=True, default=None)

    def __call__(self, x: Float[Array, "batch height width channels"], *, key: Key[Array, ""]) -> Reconstruction:
        """The training pass: encode, draw from the posterior, decode.

        Raises:
            ValueError: if the images do not have the model's shape, or the batch is smaller than the rank.
        """
        check_images(x, self.shape)
        draw: Draw = self.bottleneck(self.encoder(x), key=key)
        return Reconstruction(self.decoder(draw.latents), draw.posterior)

    def squared_error(self, x: Float[Array, "batch height width channels"], *, key: Key[Array, ""]) -> SquaredError:
        """The training pass up to its error: the same numbers as from calling the model, its images never kept.

        Raises:
            ValueError: as for calling the model.
        """
        check_images(x, self.shape)
        draw: Draw = self.bottleneck(self.encoder(x), key=key)
        total = microbatch_sum(_squared_error, self.decoder, draw.latents, x, size=microbatch_size(self.shape))
        return SquaredError(total, draw.posterior)

    def encode(self, x: Images) -> Posterior:
        """The posterior over the coefficients of each image.

        Raises:
            ValueError: if the images do not have the model's shape, or if the basis is not frozen and the batch is
                smaller than the rank.
        """
        check_images(x, self.shape)
        return _encode(self, as_floats(jnp.asarray(x)))

    def decode(self, z: Float[Array, "batch rank"] | Float[np.ndarray, "batch rank"]) -> Float[Array, "batch ..."]:
        """Images from coefficients.

        Raises:
            ValueError: if the model takes its basis from each batch (freeze it first).
        """
        return _decode(self, jnp.asarray(z))

    def reconstruct(self, x: Images) -> Float[Array, "batch height width channels"]:
        """Decode the posterior mean: no noise, unlike the training pass.

        Raises:
            ValueError: as `encode` and `decode`.
        """
        return self.decode(self.encode(x).mean)


@eqx.filter_jit
def _encode(model: Autoencoder, x: Array) -> Posterior:
    return model.bottleneck.encode(model.encoder(x))


@eqx.filter_jit
def _latents(encoder: Callable[[Array], Array], x: Array) -> Array:
    return encoder(as_floats(x))


@eqx.filter_jit
def _decode(model: Autoencoder, z: Array) -> Array:
    return model.decoder(model.bottleneck.decode(z))


def as_floats(x: Array) -> Float[Array, "batch height width channels"]:
    """Images of uint8 as fractions of 255; others as they are."""
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


def check_images(x: Images, shape: Shape) -> None:
    """Refuse images that are not a batch of `shape`.

    Raises:
        ValueError: naming both shapes.
    """
    if x.ndim != 4 or x.shape[1:] != shape:
        raise ValueError(
            f"the images have shape {x.shape}, but this model takes (batch, {shape[0]}, {shape[1]}, {shape[2]}): "
            "batch first, channels last; add missing axes with x[None] (batch) or x[..., None] (channel)"
        )


def in_batches(
    function: Callable[[Array], Any], x: Shaped[np.ndarray, "count ..."] | Shaped[Array, "count ..."], size: int = BATCH
) -> Any:
    """Apply a function that treats samples independently to `x`, `size` at a time, so that memory stays bounded.

    The last batch is padded by repeating a sample, so that a jitted function is compiled for one size only.

    Args:
        function: batch of arrays to a pytree of arrays with the same first axis.
        x: the samples.
        size: samples at a time.

    Returns:
        The results as numpy arrays, concatenated along the first axis.

    Raises:
        ValueError: if there are no samples.
    """
    if len(x) == 0:
        raise ValueError("there are no samples: the array's first axis has length 0")
    size = min(size, len(x))
    parts = []
    for start in range(0, len(x), size):
        part = np.asarray(x[start : start + size])
        padding = np.repeat(part[-1:], size - len(part), axis=0)
        result = function(jnp.asarray(np.concatenate([part, padding])))
        parts.append(jax.tree.map(partial(_first, len(part)), result))
    return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def _first(count: int, array: Array | np.ndarray) -> np.ndarray:
    return np.asarray(array)[:count]


def freeze_basis(model: Autoencoder, x: Images) -> Autoencoder:
    """Replace the batch SVD by projection on one basis: that of the latents of all of `x`, in one pass.

    Models without an SVD are returned unchanged.

    Args:
        model: a trained model.
        x: the whole training set.

    Raises:
        ValueError: if the images do not have the model's shape, are not finite, or are fewer than the rank.
    """
    basis = getattr(model.bottleneck, "basis", None)
    if basis is None:
        return model
    check_images(x, model.shape)
    encode = partial(_latents, model.encoder)
    latents = (in_batches(encode, x[start : start + BATCH]) for start in range(0, len(x), BATCH))
    matrix, _ = gram_basis(latents, basis.rank)
    dtype = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))[0].dtype
    return eqx.tree_at(lambda m: m.bottleneck.basis, model, FixedBasis(jnp.asarray(matrix, dtype)))


def is_frozen(model: Autoencoder) -> bool:
    """Whether coefficients can be decoded without a batch: true also of models that have no SVD."""
    return not isinstance(getattr(model.bottleneck, "basis", None), BatchBasis)


def num_parameters(model: Autoencoder) -> int:
    """How many numbers are trained; a frozen basis is not counted."""
    arrays = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    basis = getattr(model.bottleneck, "basis", None)
    return sum(a.size for a in arrays) - (basis.matrix.size if isinstance(basis, FixedBasis) else 0)


def ae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Autoencoder with a narrow latent vector ("diabolo").

    Args:
        shape: (height, width, channels) of one image.
        latent_size: length of the latent vector.
        key: draws the initial weights.

    Raises:
        ValueError: if a size is too small.
    """
    return _assemble(shape, latent_size, Identity(), key, Recipe("ae", (("latent_size", latent_size),)))


def vae(shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Variational autoencoder: mean and log variance are linear maps of the encoder's output. Args as in `ae`."""
    key, bottleneck_key = jax.random.split(key)
    _positive("latent_size", latent_size)
    bottleneck = Variational(latent_size, key=bottleneck_key)
    return _assemble(shape, latent_size, bottleneck, key, Recipe("vae", (("latent_size", latent_size),)))


def rrae(shape: Shape, latent_size: int, rank: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Rank reduction autoencoder: the decoder sees the truncated SVD of the batch's latents.

    Args:
        shape: (height, width, channels) of one image.
        latent_size: length L of the latent vector.
        rank: singular directions kept, at most `latent_size`.
        key: draws the initial weights.

    Raises:
        ValueError: if a size is too small or the rank exceeds the latent size.
    """
    _check_rank(rank, latent_size)
    recipe = Recipe("rrae", (("latent_size", latent_size), ("rank", rank)))
    return _assemble(shape, latent_size, LowRank.of_rank(rank), key, recipe)


def vrrae(shape: Shape, latent_size: int, rank: int, *, key: Key[Array, ""]) -> Autoencoder:
    """Variational rank reduction autoencoder: the SVD coefficients are the mean of a Gaussian. Args as in `rrae`."""
    _check_rank(rank, latent_size)
    key, bottleneck_key = jax.random.split(key)
    recipe = Recipe("vrrae", (("latent_size", latent_size), ("rank", rank)))
    return _assemble(shape, latent_size, VariationalLowRank(rank, key=bottleneck_key), key, recipe)


CONSTRUCTORS: dict[str, Callable[..., Autoencoder]] = {"ae": ae, "vae": vae, "rrae": rrae, "vrrae": vrrae}


def build(constructor: str, arguments: dict[str, Any], *, key: Key[Array, ""]) -> Autoencoder:
    """Make a model by the name of its constructor, as checkpoints and experiments do.

    Args:
        constructor: a key of `CONSTRUCTORS`.
        arguments: its arguments except the key.
        key: draws the initial weights.

    Raises:
        ValueError: if the name is unknown or the arguments are not the constructor's.
    """
    if constructor not in CONSTRUCTORS:
        raise ValueError(f"unknown model {constructor!r}: known are {', '.join(CONSTRUCTORS)}")
    expected = [name for name in inspect.signature(CONSTRUCTORS[constructor]).parameters if name != "key"]
    if sorted(expected) != sorted(arguments):
        raise ValueError(f"{constructor} takes {', '.join(expected)}, not {', '.join(arguments)}")
    return CONSTRUCTORS[constructor](**arguments, key=key)


def _assemble(
    shape: Shape, latent_size: int, bottleneck: Bottleneck, key: Key[Array, ""], recipe: Recipe
) -> Autoencoder:
    encoder_key, decoder_key = jax.random.split(key)
    shape = cast(Shape, tuple(shape))  # a list, say, would not be hashable
    return Autoencoder(
        encoder=ConvEncoder(shape, latent_size, key=encoder_key),
        bottleneck=bottleneck,
        decoder=ConvDecoder(shape, latent_size, key=decoder_key),
        shape=shape,
        recipe=recipe._replace(arguments=(("shape", shape), *recipe.arguments)),
    )


def _positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} = {value}: use 1 or more")


def _check_rank(rank: int, latent_size: int) -> None:
    if not 1 <= rank <= latent_size:
        raise ValueError(f"rank = {rank} and latent_size = {latent_size}: the rank lies between 1 and the latent size")
