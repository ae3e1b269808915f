"""The autoencoder: an encoder, a bottleneck and a decoder, and the images it takes.

A new variant is a new bottleneck or a new loss, never a subclass.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree, Shaped, UInt8

from vrrae_lab import display
from vrrae_lab.bottlenecks import (
    Bottleneck,
    Draw,
    FixedBasis,
    LinearStack,
    Sigmoid,
    Variational,
    VariationalLowRank,
)
from vrrae_lab.checks import check_array, check_at_least, check_kind
from vrrae_lab.compilation import jitted
from vrrae_lab.gaussian import Posterior
from vrrae_lab.microbatch import microbatch_sum
from vrrae_lab.nets import Shape, check_shape, microbatch_size
from vrrae_lab.sharding import spread

Images = (
    Float[Array, "batch height width channels"]
    | Float[np.ndarray, "batch height width channels"]
    | UInt8[Array, "batch height width channels"]
    | UInt8[np.ndarray, "batch height width channels"]
)


# Samples at a time where no gradient is needed. Small sets fill it too, so that one compiled size serves them all.
BATCH = 100

# What readers call the constructors whose names are not just their letters.
NAMES = {
    "adaptive_rrae": "RRAE",
    "adaptive_vrrae": "VRRAE",
    "beta_tcvae": "β-TCVAE",
    "contractive_ae": "contractive AE",
    "long_ae": "long AE",
    "lorae": "LoRAE",
    "rrae_vae": "RRAE+VAE",
    "sparse_ae": "sparse AE",
    "vae_identity": "VAE (f = I)",
}


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

    def __check_init__(self) -> None:
        for name in ("encoder", "decoder"):
            if not callable(getattr(self, name)):
                raise TypeError(f"{name} = {getattr(self, name)!r}: give a function of a batch, such as a ConvEncoder")
        check_kind("bottleneck", self.bottleneck, Bottleneck, "give one of vrrae_lab.bottlenecks")
        check_shape(self.shape, least=1)

    @property
    def name(self) -> str:
        """What readers call it, such as "VRRAE"; "model" where it was composed by hand."""
        if self.recipe is None:
            return "model"
        constructor = self.recipe.constructor
        return NAMES.get(constructor, constructor.upper().replace("_", " "))

    def __repr__(self) -> str:
        return f"{self.name}: {self._facts()}"

    def _repr_html_(self) -> str:
        size = getattr(self.encoder, "latent_size", 0)
        latents = f"y, {display.plural(size, 'number')}" if size else "y"
        return display.card(
            self.name, self._facts(), display.strip(["x", "[encoder]", latents, *_steps(self), "[decoder]", "x̂"])
        )

    def _facts(self) -> str:
        basis = getattr(self.bottleneck, "basis", None)
        facts = [f"images of {display.shape_of(self.shape)}", display.plural(num_parameters(self), "parameter")]
        if isinstance(basis, FixedBasis):
            facts.append("basis frozen")
        elif basis is not None:
            facts.append("basis of each batch: call freeze_basis before encoding")
        return " · ".join(facts)

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
        return _posterior(self.bottleneck, latents_of(self.encoder, jnp.asarray(x)))

    def decode(self, z: Float[Array, "batch rank"] | Float[np.ndarray, "batch rank"]) -> Float[Array, "batch ..."]:
        """Images from coefficients.

        Raises:
            ValueError: if the model takes its basis from each batch (freeze it first), or there is no row of as many
                coefficients as the model has for each image.
        """
        check_array("z", z)
        size = getattr(getattr(self.bottleneck, "basis", self.decoder), "rank", getattr(self.decoder, "latent_size", 0))
        if z.ndim != 2 or size not in (0, z.shape[1]):
            raise ValueError(f"z has shape {z.shape}: give one row per image, of {size or 'all'} coefficients")
        return _decode(self, jnp.asarray(z))

    def reconstruct(self, x: Images) -> Float[Array, "batch height width channels"]:
        """Decode the posterior mean: no noise, unlike the training pass.

        Raises:
            ValueError: as `encode` and `decode`.
        """
        return self.decode(self.encode(x).mean)


def _steps(model: Autoencoder) -> list[str]:
    """From latents to what is decoded, in words."""
    bottleneck = model.bottleneck
    basis = getattr(bottleneck, "basis", None)
    steps = (
        [] if basis is None else [f"[{'projection' if isinstance(basis, FixedBasis) else 'SVD'}, rank {basis.rank}]"]
    )
    if isinstance(bottleneck, LinearStack):
        steps.append(f"[{display.plural(len(bottleneck.layers), 'linear layer')}]")
    elif isinstance(bottleneck, Sigmoid):
        steps.append("[sigmoid]")
    elif isinstance(bottleneck, Variational | VariationalLowRank):
        steps += ["[μ, s]", "z ~ N(μ, s²)"]
    return steps


@jitted
def latents_of(encoder: Callable[[Array], Array], x: Array) -> Array:
    """The latents of a batch, one program for `encode` and `freeze_basis`."""
    return spread(encoder(as_floats(x)))


@jitted
def _posterior(bottleneck: Bottleneck, latents: Array) -> Posterior:
    return bottleneck.encode(latents)


@jitted
def _decode(model: Autoencoder, z: Array) -> Array:
    return model.decoder(model.bottleneck.decode(z))


def as_floats(x: Array) -> Float[Array, "batch height width channels"]:
    """Images of uint8 as fractions of 255; others as they are."""
    check_array("x", x)
    return x.astype(jnp.float32) / 255 if x.dtype == jnp.uint8 else x


def check_model(model: Autoencoder, name: str = "model") -> None:
    """Refuse what is no autoencoder of this package.

    Raises:
        TypeError: naming it and the remedy.
    """
    check_kind(name, model, Autoencoder, "give a model of this package, such as vrrae_lab.vrrae(...)")


def num_parameters(model: Autoencoder) -> int:
    """How many numbers are trained; a frozen basis is not counted."""
    return sum(weights.size for weights in jax.tree.leaves(trainable(model)[0]))


def trainable(model: Autoencoder) -> tuple[PyTree, PyTree]:
    """What is trained of a model, and the rest, which no optimizer sees: a frozen basis too."""
    check_model(model)
    return eqx.partition(model, eqx.is_inexact_array, is_leaf=lambda part: isinstance(part, FixedBasis))


def check_images(x: Images, shape: Shape) -> None:
    """Refuse images that are not a batch of `shape`, in floats or bytes.

    Raises:
        TypeError: if they are no array.
        ValueError: naming both shapes, or what the images are.
    """
    check_array("x", x)
    if x.ndim != 4 or x.shape[1:] != shape:
        raise ValueError(
            f"the images have shape {x.shape}, but this model takes (batch, {shape[0]}, {shape[1]}, {shape[2]}): "
            "batch first, channels last; add missing axes with x[None] (batch) or x[..., None] (channel)"
        )
    if len(x) == 0:
        raise ValueError(f"there are no samples: the images have shape {x.shape}")
    if not (x.dtype == jnp.uint8 or jnp.issubdtype(x.dtype, jnp.floating)):
        raise ValueError(f"the images are {x.dtype}: scale them and convert them with x.astype('float32')")


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
        ValueError: if there are no samples, or `size` is below 1.
    """
    check_array("x", x)
    check_at_least(1, "size", size)
    if x.ndim == 0 or len(x) == 0:
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
