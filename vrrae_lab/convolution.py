r"""Strided and transposed convolutions, fast on CPUs in value and gradient.

Images are (channels, height, width, batch), weights (kernel height, kernel width, in, out). The batch comes last, so
that every shift of an image below moves contiguous runs of memory.

**Two grids.** A convolution of stride $s$ and padding $P$ joins a large and a small grid of pixels: through tap $p$ of
the kernel, pixel $m$ of the small grid sees pixel $s m + p - P$ of the large one (each axis alike; outside is zero).
*Gathering* lists what each small pixel sees, *scattering* is its transpose:

$$(G x)_p[m] = x[s m + p - P], \qquad (G^T y)[i] = \sum_{(p, m):\; s m + p - P = i} y_p[m].$$

A convolution maps large to small, a transposed one small to large, each with one matrix product over channels:

$$\text{convolution: } y = W^T G x, \qquad \text{transposed: } y = G^T W x,$$

with $W$ taking (tap, channel of the gathered side) as one index. Both are linear in $x$ and in $W$, so their gradients
are the same two operations and two products:

- convolution: $\bar x = G^T W \bar y$ and $\bar W = (G x)\, \bar y^T$;
- transposed: $\bar x = W^T G \bar y$ and $\bar W = (G \bar y)\, x^T$, with $G \bar y$ gathered once for both.

**Phases.** Pixel $i = s t + r$ of the large grid, of phase $r$, is reached only by the taps $p \equiv r + P \pmod s$,
and then from $m = t - (p - P - r) / s$. So with the phases as separate planes, every tap is a shift by whole pixels:
gathering splits the phases and shifts, scattering shifts, adds and interleaves (for 3 taps, $s = 2$, $P = 1$:
$y[2t] = w_1 x[t]$ and $y[2t + 1] = w_2 x[t] + w_0 x[t + 1]$).

**Stride 1.** There the grids are alike and the roles can be exchanged: a convolution is a transposed one with the
kernel reversed and the padding $k - 1 - P$. Scattering then handles taps × out channels planes instead of taps × in
channels, which is less for a last layer with few channels.

XLA's CPU backend computes the weight gradient of a convolution far more slowly than this (`python -m benchmarks nets`);
on accelerators its own convolutions are used. Which it is, is decided when a program is lowered for a platform.
"""

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Key

from vrrae_lab.randomness import uniform

_NUMBERS = ("CHWN", "HWIO", "CHWN")


class _Axis(NamedTuple):
    """How the two grids lie on each other along one axis."""

    kernel: int
    stride: int
    padding: int
    small: int
    large: int


def convolve(
    x: Float[Array, "in_channels height width batch"],
    weight: Float[Array, "kernel_height kernel_width in_channels out_channels"],
    *,
    stride: int = 1,
    padding: int = 0,
) -> Float[Array, "out_channels out_height out_width batch"]:
    """Convolution in the sense of neural networks (no flip); forward-mode differentiation is refused by JAX."""
    sizes = zip(weight.shape[:2], x.shape[1:3], strict=True)
    axes = tuple(_Axis(k, stride, padding, (n + 2 * padding - k) // stride + 1, n) for k, n in sizes)
    if stride == 1 and weight.shape[3] < weight.shape[2]:
        exchanged = tuple(a._replace(padding=a.kernel - 1 - padding, small=a.large, large=a.small) for a in axes)
        return _convolve_transposed(exchanged, x, weight[::-1, ::-1])
    return _convolve(axes, x, weight)


def convolve_transposed(
    x: Float[Array, "in_channels height width batch"],
    weight: Float[Array, "kernel_height kernel_width in_channels out_channels"],
    *,
    stride: int = 2,
    padding: int = 1,
    output_padding: int = 1,
) -> Float[Array, "out_channels out_height out_width batch"]:
    """Transposed convolution: output size = (size - 1)·stride - 2·padding + kernel + output_padding."""
    sizes = zip(weight.shape[:2], x.shape[1:3], strict=True)
    axes = tuple(_Axis(k, stride, padding, n, (n - 1) * stride - 2 * padding + k + output_padding) for k, n in sizes)
    return _convolve_transposed(axes, x, weight)


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
        self, x: Float[Array, "in_channels height width batch"]
    ) -> Float[Array, "out_channels out_height out_width batch"]:
        return convolve(x, self.weight, stride=self.stride, padding=self.padding) + self.bias[:, None, None, None]


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
        self, x: Float[Array, "in_channels height width batch"]
    ) -> Float[Array, "out_channels 2*height 2*width batch"]:
        return convolve_transposed(x, self.weight) + self.bias[:, None, None, None]


def _initial(
    in_channels: int, out_channels: int, kernel_size: tuple[int, int], key: Key[Array, ""]
) -> tuple[Array, Array]:
    limit = 1 / math.sqrt(in_channels * math.prod(kernel_size))
    weight_key, bias_key = jax.random.split(key)
    shape = (*kernel_size, in_channels, out_channels)
    return uniform(weight_key, shape, limit), uniform(bias_key, (out_channels,), limit)


_Axes = tuple[_Axis, _Axis]


def _by_platform(cpu: Callable[..., Any], default: Callable[..., Any], axes: _Axes, *operands: Array) -> Any:
    return lax.platform_dependent(*operands, cpu=partial(cpu, axes), default=partial(default, axes))


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve(axes: _Axes, x: Array, weight: Array) -> Array:
    return _by_platform(_product_convolve, _xla_convolve, axes, x, weight)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _convolve_transposed(axes: _Axes, x: Array, weight: Array) -> Array:
    return _by_platform(_product_convolve_transposed, _xla_convolve_transposed, axes, x, weight)


def _convolve_forward(axes: _Axes, x: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return _convolve(axes, x, weight), (x, weight)


def _convolve_backward(axes: _Axes, operands: tuple[Array, Array], y_bar: Array) -> tuple[Array, Array]:
    return _by_platform(_product_convolve_gradients, _xla_convolve_gradients, axes, *operands, y_bar)


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _convolve_transposed_forward(axes: _Axes, x: Array, weight: Array) -> tuple[Array, tuple[Array, Array]]:
    return _convolve_transposed(axes, x, weight), (x, weight)


def _convolve_transposed_backward(axes: _Axes, operands: tuple[Array, Array], y_bar: Array) -> tuple[Array, Array]:
    gradients = _product_convolve_transposed_gradients, _xla_convolve_transposed_gradients
    return _by_platform(*gradients, axes, *operands, y_bar)


_convolve_transposed.defvjp(_convolve_transposed_forward, _convolve_transposed_backward)


def _xla_convolve(axes: _Axes, x: Array, weight: Array) -> Array:
    strides, pads = [a.stride for a in axes], [(a.padding, a.padding) for a in axes]
    return lax.conv_general_dilated(x, weight, strides, pads, dimension_numbers=_NUMBERS)


def _xla_convolve_transposed(axes: _Axes, x: Array, weight: Array) -> Array:
    small_of_large, (rows, columns) = _other_way(axes, weight), axes
    large = jax.ShapeDtypeStruct((weight.shape[3], rows.large, columns.large, x.shape[3]), x.dtype)
    return jax.linear_transpose(small_of_large, large)(x)[0]


def _xla_convolve_transposed_gradients(axes: _Axes, x: Array, weight: Array, y_bar: Array) -> tuple[Array, Array]:
    """By way of the convolution whose transpose this is.

    JAX's own rule for the weight would be a convolution of the image spread out with zeros, with a kernel as large as
    the image, which cuDNN has no algorithm for; this is the gradient of an ordinary strided one, which it has.
    """
    x_bar, gradient = jax.vjp(lambda weight: _other_way(axes, weight)(y_bar), weight)
    return x_bar, gradient(x)[0]


def _other_way(axes: _Axes, weight: Array) -> Callable[[Array], Array]:
    """The convolution from the large grid to the small one whose transpose goes from the small one to the large."""
    return lambda large: _xla_convolve(axes, large, weight.swapaxes(2, 3))


def _xla_convolve_gradients(axes: _Axes, x: Array, weight: Array, y_bar: Array) -> tuple[Array, Array]:
    return jax.vjp(partial(_xla_convolve, axes), x, weight)[1](y_bar)


def _product_convolve(axes: _Axes, x: Array, weight: Array) -> Array:
    seen = _gather(axes, x)
    y = _rows_by_out(weight) @ seen.reshape(-1, math.prod(seen.shape[3:]))
    return y.reshape(weight.shape[3], *seen.shape[3:])


def _product_convolve_gradients(axes: _Axes, x: Array, weight: Array, y_bar: Array) -> tuple[Array, Array]:
    seen = _gather(axes, x)
    columns = y_bar.reshape(len(y_bar), -1)
    weight_bar = _product_transposed(seen.reshape(-1, columns.shape[1]), columns).reshape(weight.shape)
    planes = weight.reshape(-1, weight.shape[3]) @ columns
    return _scatter(axes, planes.reshape(seen.shape)), weight_bar


def _product_convolve_transposed(axes: _Axes, x: Array, weight: Array) -> Array:
    kernel_height, kernel_width, _, out_channels = weight.shape
    planes = weight.swapaxes(2, 3).reshape(-1, len(x)) @ x.reshape(len(x), -1)
    return _scatter(axes, planes.reshape(kernel_height, kernel_width, out_channels, *x.shape[1:]))


def _product_convolve_transposed_gradients(axes: _Axes, x: Array, weight: Array, y_bar: Array) -> tuple[Array, Array]:
    seen = _gather(axes, y_bar).reshape(-1, math.prod(x.shape[1:]))
    x_bar = _rows_by_out(weight.swapaxes(2, 3)) @ seen
    weight_bar = _product_transposed(seen, x.reshape(len(x), -1))
    return x_bar.reshape(x.shape), weight_bar.reshape(weight.swapaxes(2, 3).shape).swapaxes(2, 3)


def _rows_by_out(weight: Array) -> Array:
    """The weight as a matrix with one row per last index.

    The barrier keeps XLA from folding the transpose into the product, which would then read the matrix by columns.
    """
    return lax.optimization_barrier(weight.reshape(-1, weight.shape[3]).T)


def _product_transposed(a: Array, b: Array) -> Array:
    """a bᵀ, without a transpose in memory."""
    return lax.dot_general(a, b, (((1,), (1,)), ((), ())))


def _gather(axes: _Axes, x: Array) -> Array:
    """(C, large, large, B) to (taps, taps, C, small, small, B)."""
    rows, columns = axes
    heights, widths = -(-rows.large // rows.stride), -(-columns.large // columns.stride)
    fill = [(0, 0), (0, heights * rows.stride - rows.large), (0, widths * columns.stride - columns.large), (0, 0)]
    phases = jnp.pad(x, fill).reshape(len(x), heights, rows.stride, widths, columns.stride, x.shape[3])

    def seen(p: int, q: int) -> Array:
        (row_shift, row_phase), (column_shift, column_phase) = (
            divmod(tap - axis.padding, axis.stride) for tap, axis in zip((p, q), axes, strict=True)
        )
        plane = phases[:, :, row_phase, :, column_phase]
        return _shift(_shift(plane, 1, -row_shift, rows.small), 2, -column_shift, columns.small)

    return jnp.stack([jnp.stack([seen(p, q) for q in range(columns.kernel)]) for p in range(rows.kernel)])


def _scatter(axes: _Axes, planes: Array) -> Array:
    """The transpose of `_gather`: (taps, taps, C, small, small, B) to (C, large, large, B)."""
    rows, columns = axes
    by_row_phase = [
        jnp.stack(_scatter_axis(columns, columns_of_taps), axis=3)  # C, heights, widths, phase, B
        for columns_of_taps in _scatter_axis(rows, planes)
    ]
    y = jnp.stack(by_row_phase, axis=2)
    channels, heights, _, widths, _, batch = y.shape
    y = y.reshape(channels, heights * rows.stride, widths * columns.stride, batch)
    return y[:, : rows.large, : columns.large]


def _scatter_axis(axis: _Axis, planes: Array) -> list[Array]:
    """What reaches each phase of one axis; `planes` has its taps first, and the small grid as third axis after them."""
    size = -(-axis.large // axis.stride)
    phases = []
    for phase in range(axis.stride):
        distances = ((tap, tap - axis.padding - phase) for tap in range(axis.kernel))
        terms = [_shift(planes[tap], 2, d // axis.stride, size) for tap, d in distances if d % axis.stride == 0]
        none = _shift(jnp.zeros_like(planes[0]), 2, 0, size)  # a stride above the kernel leaves phases unreached
        phases.append(reduce(jnp.add, terms) if terms else none)
    return phases


def _shift(x: Array, axis: int, by: int, size: int) -> Array:
    """Move `x` along an axis by whole pixels, zeros coming in, and cut or fill it to `size`."""
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (by, size - x.shape[axis] - by, 0)
    return lax.pad(x, jnp.zeros((), x.dtype), pads)
