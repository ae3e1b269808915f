"""The convolutional encoder and decoder of the papers; both map whole batches.

Encoder: two 3×3 convolutions of stride 2 (channels → 32 → 64) with ReLU, then one linear map. Decoder: a linear map,
four transposed convolutions that each double the image (32 → 256 → 128 → 32 → 8) with ReLU, then one convolution
whose kernel is chosen so that the result has the input's size, with no activation.

Inside, the batch comes last (see `vrrae_lab.convolution`) and on a CPU is worked through in parts
(see `vrrae_lab.microbatch`); what goes in and comes out has the batch first.

Source: Mounayer et al., *Variational Rank Reduction Autoencoders*, arXiv 2505.09458, Table A.3-1.
"""

import math

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from vrrae_lab.checks import check_at_least, check_key, check_kind, check_memory, check_whole
from vrrae_lab.convolution import Convolution, TransposedConvolution
from vrrae_lab.microbatch import microbatch_map
from vrrae_lab.randomness import linear

Shape = tuple[int, int, int]

# Of the images; what is computed of them on the way is up to a hundred times as large.
PIXELS_AT_A_TIME = 2**15


class ConvEncoder(eqx.Module):
    """Images to latent vectors.

    Attributes:
        shape: (height, width, channels) of one image.
        latent_size: length of one latent vector.
    """

    convolutions: tuple[Convolution, Convolution]
    linear: eqx.nn.Linear
    shape: Shape = eqx.field(static=True)
    latent_size: int = eqx.field(static=True)

    def __init__(self, shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> None:
        """`key` draws the initial weights.

        Raises:
            ValueError: if a side of the image is below 4 pixels or a size is below 1.
        """
        _check_sizes(shape, latent_size)
        check_key(key)
        height, width, channels = shape
        keys = jax.random.split(key, 3)
        self.convolutions = (
            Convolution(channels, 32, (3, 3), stride=2, padding=1, key=keys[0]),
            Convolution(32, 64, (3, 3), stride=2, padding=1, key=keys[1]),
        )
        self.linear = linear(64 * math.ceil(height / 4) * math.ceil(width / 4), latent_size, key=keys[2])
        self.shape, self.latent_size = shape, latent_size

    def __call__(self, x: Float[Array, "batch height width channels"]) -> Float[Array, "batch latent_size"]:
        hidden = jax.nn.relu(microbatch_map(self._convolve, x, microbatch_size(self.shape)))
        return jax.vmap(self.linear)(hidden.reshape(len(x), -1))

    def _convolve(self, x: Array) -> Array:
        """All but the last activation, which the gradient of the linear map needs for the whole batch anyway."""
        first, second = self.convolutions
        return _swap_batch_and_channels(second(jax.nn.relu(first(_swap_batch_and_channels(x)))))


class ConvDecoder(eqx.Module):
    """Latent vectors to images.

    Attributes:
        shape: (height, width, channels) of one image.
        latent_size: length of one latent vector.
    """

    linear: eqx.nn.Linear
    convolutions: tuple[TransposedConvolution, ...]
    last: Convolution
    shape: Shape = eqx.field(static=True)
    latent_size: int = eqx.field(static=True)

    def __init__(self, shape: Shape, latent_size: int, *, key: Key[Array, ""]) -> None:
        """`key` draws the initial weights.

        Raises:
            ValueError: if a side of the image is below 4 pixels or a size is below 1.
        """
        _check_sizes(shape, latent_size)
        check_key(key)
        height, width, channels = shape
        start = _start_size(shape)
        keys = jax.random.split(key, 6)
        self.linear = linear(latent_size, 32 * math.prod(start), key=keys[0])
        widths = (32, 256, 128, 32, 8)
        self.convolutions = tuple(TransposedConvolution(widths[i], widths[i + 1], key=keys[i + 1]) for i in range(4))
        # four doublings of ceil(size / 16) overshoot by less than 16 pixels; the last kernel takes them off
        kernel_size = (16 * start[0] - height + 1, 16 * start[1] - width + 1)
        self.last = Convolution(8, channels, kernel_size, key=keys[5])
        self.shape, self.latent_size = shape, latent_size

    def __call__(self, latents: Float[Array, "batch latent_size"]) -> Float[Array, "batch height width channels"]:
        return microbatch_map(self._decode, latents, microbatch_size(self.shape))

    def _decode(self, latents: Array) -> Array:
        hidden = jax.vmap(self.linear)(latents).reshape(len(latents), *_start_size(self.shape), 32)
        hidden = _swap_batch_and_channels(hidden)
        for convolution in self.convolutions:
            hidden = jax.nn.relu(convolution(hidden))
        return _swap_batch_and_channels(self.last(hidden))


def microbatch_size(shape: Shape) -> int | None:
    """How many images to work through at a time so that activations stay in a CPU's caches; None where it is no CPU.

    Results do not depend on it but for rounding, so it is decided when a program is traced, by JAX's default device.
    """
    check_shape(shape, least=1)
    if jax.default_backend() != "cpu":
        return None
    return max(4, PIXELS_AT_A_TIME // (shape[0] * shape[1]))


def _start_size(shape: Shape) -> tuple[int, int]:
    """Of what the decoder's linear map makes: four doublings give the image's size, or a little more."""
    return math.ceil(shape[0] / 16), math.ceil(shape[1] / 16)


def _swap_batch_and_channels(x: Array) -> Array:
    """(B, H, W, C) to (C, H, W, B), the layout of `vrrae_lab.convolution`, and back."""
    return x.transpose(3, 1, 2, 0)


def _check_sizes(shape: Shape, latent_size: int) -> None:
    check_shape(shape)
    check_at_least(1, "latent_size", latent_size)
    # the larger of the two linear maps, that of the encoder or that of the decoder
    numbers = latent_size * max(64 * math.prod(-(-side // 4) for side in shape[:2]), 32 * math.prod(_start_size(shape)))
    check_memory(4 * numbers, f"a linear map between images of shape {shape} and latent_size = {latent_size}")


def check_shape(shape: Shape, least: int = 4) -> None:
    """Refuse what is no shape of an image, or of one that is smaller than these networks take.

    Raises:
        TypeError: if it is no tuple of whole numbers.
        ValueError: if there are not three, or a side is below `least` pixels.
    """
    check_kind("shape", shape, tuple | list, "give (height, width, channels), such as data.shape")
    for size in shape:
        check_whole("a size in shape", size)
    if len(shape) != 3 or min(shape[:2]) < least or shape[2] < 1:
        raise ValueError(
            f"shape = {shape}: images are (height, width, channels), at least {least}×{least} pixels and 1 channel; "
            "add a last axis to grey images with x[..., None]"
        )
