r"""Strided and transposed convolutions over whole batches, with a weight gradient that is fast on CPUs.

Images are (batch, height, width, channels), weights (kernel height, kernel width, in, out).

XLA's CPU backend runs a convolution and its input gradient near the speed of a matrix product, but its weight gradient
tens of times slower. A convolution is a sum over the taps (p, q) of the kernel of shifted images times a matrix,

$$y_{bijo} = \sum_{p,q} \sum_c x_{b,\,si+p-P,\,sj+q-P,\,c}\; w_{pqco},$$

so its derivative along a change of the weights can be computed as one matrix product per tap, and the transpose of
that, the weight gradient, is one matrix product per tap as well: $\bar w_{pq} = X_{pq}^T \bar Y$ with $X_{pq}$ the
shifted images as a matrix. The custom rule below states only this; everything else is XLA's, and on accelerators,
chosen when the program is lowered, so is this.

A transposed convolution is the transpose of that map with respect to the images (the geometry of PyTorch's and
Equinox's layers: stride s, padding P, output padding Q), hence for each tap a product of the *unshifted* small images
with a matrix, added into every s-th pixel of the output: its weight gradient is $\bar w_{pq} = X^T \bar Y_{pq}$.
"""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

_NUMBERS = ("NHWC", "HWIO", "NHWC")


def convolve(
    x: Float[Array, "batch height width in_channels"],
    weight: Float[Array, "kernel_height kernel_width in_channels out_channels"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "batch out_height out_width out_channels"]:
    """Convolution (in the sense of neural networks: no flip) of a batch of images."""
    return _convolve(stride, padding, x, weight)


def convolve_transposed(
    x: Float[Array, "batch height width in_channels"],
    weight: Float[Array, "kernel_height kernel_width in_channels out_channels"],
    *,
    stride: int = 2,
    padding: int = 1,
    output_padding: int = 1,
) -> Float[Array, "batch out_height out_width out_channels"]:
    """Transposed convolution: output size = (size - 1)·stride - 2·padding + kernel + output_padding."""
    return _convolve_transposed(stride, padding, output_padding, x, weight)


class Convolution(eqx.Module):
    """A convolution with bias over a batch of images.

    Attributes:
        weight: uniform in ±1/sqrt(in_channels · kernel area) at the start, as in Equinox.
        bias: likewise.
    """

    weight: Float[Array, "kernel_height kernel_width in_channels out_channels"]
    bias: Float[Array, " out_channels"]
    stride: int = eqx.field(static=True)
    padding: int = eqx.field(static=True)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
        key: Key[Array, ""],
    ) -> None:
        """Args as in `convolve`; `key` draws the initial weights."""
        self.weight, self.bias = _initial(in_channels, out_channels, kernel_size, key)
        self.stride, self.padding = stride, padding

    def __call__(
        self, x: Float[Array, "batch height width in_channels"]
    ) -> Float[Array, "batch out_height out_width out_channels"]:
        return convolve(x, self.weight, stride=self.stride, padding=self.padding) + self.bias[None, None, None, :]


class TransposedConvolution(eqx.Module):
    """A 3×3 transposed convolution of stride 2 with bias: it doubles the height and the width of its images.

    Attributes:
        weight: uniform in ±1/sqrt(in_channels · kernel area) at the start, as in Equinox.
        bias: likewise.
    """

    weight: Float[Array, "3 3 in_channels out_channels"]
    bias: Float[Array, " out_channels"]

    def __init__(self, in_channels: int, out_channels: int, *, key: Key[Array, ""]) -> None:
        """`key` draws the initial weights."""
        self.weight, self.bias = _initial(in_channels, out_channels, (3, 3), key)

    def __call__(
        self, x: Float[Array, "batch height width in_channels"]
    ) -> Float[Array, "batch 2*height 2*width out_channels"]:
        return convolve_transposed(x, self.weight) + self.bias[None, None, None, :]


def _initial(
    in_channels: int, out_channels: int, kernel_size: tuple[int, int], key: Key[Array, ""]
) -> tuple[Array, Array]:
    limit = 1 / math.sqrt(in_channels * math.prod(kernel_size))
    weight_key, bias_key = jax.random.split(key)
    shape = (*kernel_size, in_channels, out_channels)
    weight = jax.random.uniform(weight_key, shape, minval=-limit, maxval=limit)
    return weight, jax.random.uniform(bias_key, (out_channels,), minval=-limit, maxval=limit)


def _xla_convolve(stride: int, padding: int, x: Array, weight: Array) -> Array:
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, weight, (stride, stride), pads, dimension_numbers=_NUMBERS)


def _tap_products(stride: int, padding: int, x: Array, weight: Array) -> Array:
    """The convolution as one matrix product per kernel tap: slower forward, far faster to transpose on a CPU."""
    kernel_height, kernel_width = weight.shape[:2]
    batch, height, width, channels = x.shape
    out_height = (height + 2 * padding - kernel_height) // stride + 1
    out_width = (width + 2 * padding - kernel_width) // stride + 1
    padded = jnp.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    total = jnp.zeros((), x.dtype)
    for p in range(kernel_height):
        for q in range(kernel_width):
            last = (batch, p + stride * (out_height - 1) + 1, q + stride * (out_width - 1) + 1, channels)
            total = total + lax.slice(padded, (0, p, q, 0), last, (1, stride, stride, 1)) @ weight[p, q]
    return total


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _convolve(stride: int, padding: int, x: Array, weight: Array) -> Array:
    return _xla_convolve(stride, padding, x, weight)


@_convolve.defjvp
def _convolve_jvp(
    stride: int, padding: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    (x, weight), (dx, d_weight) = primals, tangents
    along_weight = lax.platform_dependent(
        x, d_weight, cpu=partial(_tap_products, stride, padding), default=partial(_xla_convolve, stride, padding)
    )
    return _xla_convolve(stride, padding, x, weight), _xla_convolve(stride, padding, dx, weight) + along_weight


def _xla_convolve_transposed(stride: int, padding: int, output_padding: int, x: Array, weight: Array) -> Array:
    pads = [(size - 1 - padding, size - 1 - padding + output_padding) for size in weight.shape[:2]]
    flipped = weight[::-1, ::-1]
    return lax.conv_general_dilated(x, flipped, (1, 1), pads, lhs_dilation=(stride, stride), dimension_numbers=_NUMBERS)


def _tap_products_transposed(stride: int, padding: int, output_padding: int, x: Array, weight: Array) -> Array:
    """The transposed convolution as one matrix product per tap, each added into every `stride`-th output pixel."""
    kernel_height, kernel_width = weight.shape[:2]
    batch, height, width, _ = x.shape
    full_height = stride * (height - 1) + kernel_height + output_padding
    full_width = stride * (width - 1) + kernel_width + output_padding
    total = jnp.zeros((), x.dtype)
    for p in range(kernel_height):
        for q in range(kernel_width):
            rows = (p, full_height - p - stride * (height - 1) - 1, stride - 1)
            columns = (q, full_width - q - stride * (width - 1) - 1, stride - 1)
            zero = jnp.zeros((), x.dtype)
            total = total + lax.pad(x @ weight[p, q], zero, [(0, 0, 0), rows, columns, (0, 0, 0)])
    return total[:, padding : full_height - padding, padding : full_width - padding]


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _convolve_transposed(stride: int, padding: int, output_padding: int, x: Array, weight: Array) -> Array:
    return _xla_convolve_transposed(stride, padding, output_padding, x, weight)


@_convolve_transposed.defjvp
def _convolve_transposed_jvp(
    stride: int, padding: int, output_padding: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    (x, weight), (dx, d_weight) = primals, tangents
    geometry = (stride, padding, output_padding)
    along_weight = lax.platform_dependent(
        x,
        d_weight,
        cpu=partial(_tap_products_transposed, *geometry),
        default=partial(_xla_convolve_transposed, *geometry),
    )
    tangent = _xla_convolve_transposed(*geometry, dx, weight) + along_weight
    return _xla_convolve_transposed(*geometry, x, weight), tangent
