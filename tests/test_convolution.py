"""The two convolutions against loops, against XLA's own gradients, and against Equinox's layers."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from vrrae_lab.convolution import Convolution, TransposedConvolution, convolve, convolve_transposed

pytestmark = pytest.mark.usefixtures("quick_compilation")

# batch, (height, width), channels in and out, kernel, options
STRIDED = {
    "encoder": (2, (8, 8), (3, 4), (3, 3), {"stride": 2, "padding": 1}),
    "odd sizes": (3, (7, 9), (2, 3), (3, 3), {"stride": 2, "padding": 1}),
    "one of everything": (1, (5, 4), (1, 1), (3, 3), {"stride": 2, "padding": 1}),
    "last layer 1x1": (2, (4, 6), (3, 2), (1, 1), {}),
    "last layer 5x5": (2, (8, 9), (2, 1), (5, 5), {}),
    "kernel not square": (2, (9, 6), (2, 2), (5, 3), {"padding": 2}),
    "stride above the kernel": (2, (8, 7), (2, 2), (1, 1), {"stride": 3}),
    "smallest image": (2, (3, 3), (2, 3), (3, 3), {}),
}
TRANSPOSED = {
    "decoder": (2, (3, 3), (3, 4), (3, 3), {}),
    "not square": (3, (4, 2), (2, 3), (3, 3), {}),
    "one of everything": (1, (1, 1), (1, 1), (3, 3), {}),
    "kernel 1x1": (2, (3, 4), (2, 2), (1, 1), {"stride": 1, "padding": 0, "output_padding": 0}),
    "kernel 5x3": (2, (3, 4), (2, 3), (5, 3), {"stride": 2, "padding": 1, "output_padding": 0}),
    "stride 3": (2, (3, 2), (2, 2), (3, 3), {"stride": 3, "padding": 0, "output_padding": 2}),
}
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


# ---------------------------------------------------------------------------------------------- naive references


def naive_convolve(x, weight, stride=1, padding=0):
    """One output pixel at a time."""
    kernel_height, kernel_width = weight.shape[:2]
    x = np.pad(x, [(0, 0), (padding, padding), (padding, padding), (0, 0)])
    height, width = ((n - k) // stride + 1 for n, k in zip(x.shape[1:3], weight.shape[:2], strict=True))
    y = np.zeros((len(x), height, width, weight.shape[3]))
    for i in range(height):
        for j in range(width):
            patch = x[:, stride * i : stride * i + kernel_height, stride * j : stride * j + kernel_width]
            y[:, i, j] = np.einsum("bpqc,pqco->bo", patch, weight)
    return y


def naive_convolve_transposed(x, weight, stride=2, padding=1, output_padding=1):
    """One input pixel at a time: it paints its kernel into the output; the padding is cut off at the end."""
    batch, height, width, _ = x.shape
    sizes = [(n - 1) * stride + k + output_padding for n, k in zip((height, width), weight.shape[:2], strict=True)]
    y = np.zeros((batch, *sizes, weight.shape[3]))
    for i in range(height):
        for j in range(width):
            painted = np.einsum("bc,pqco->bpqo", x[:, i, j], weight)
            y[:, stride * i : stride * i + weight.shape[0], stride * j : stride * j + weight.shape[1]] += painted
    return y[:, padding : sizes[0] - padding, padding : sizes[1] - padding]


def xla_convolve(x, weight, stride=1, padding=0):
    pads = [(padding, padding)] * 2
    return lax.conv_general_dilated(x, weight, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def xla_convolve_transposed(x, weight, stride=2, padding=1, output_padding=1):
    """The linear transpose of the strided convolution that has its input and output channels exchanged."""
    sizes = [
        (n - 1) * stride - 2 * padding + k + output_padding for n, k in zip(x.shape[1:3], weight.shape[:2], strict=True)
    ]
    forward = partial(xla_convolve, weight=weight.swapaxes(2, 3), stride=stride, padding=padding)
    output = jax.ShapeDtypeStruct((len(x), *sizes, weight.shape[3]), x.dtype)
    return jax.linear_transpose(forward, output)(x)[0]


REFERENCES = {
    convolve: (naive_convolve, xla_convolve, STRIDED),
    convolve_transposed: (naive_convolve_transposed, xla_convolve_transposed, TRANSPOSED),
}
CASES = [
    pytest.param(function, *case, dtype, id=f"{function.__name__}-{name}-{dtype}")
    for function, (_, _, cases) in REFERENCES.items()
    for name, case in cases.items()
    for dtype in TOLERANCE
    if dtype == "float64" or name in ("encoder", "decoder")
]


def operands(batch, size, channels, kernel, dtype="float64"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, *size, channels[0]))
    return x.astype(dtype), rng.normal(size=(*kernel, *channels)).astype(dtype)


def with_gradients(function, x, weight, weights_of_y):
    """Value, and both gradients of its weighted sum."""
    y, pull = jax.vjp(function, x, weight)
    return y, *pull(weights_of_y)


# --------------------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("function, batch, size, channels, kernel, options, dtype", CASES)
def test_value_and_gradients_are_those_of_the_references(x64, function, batch, size, channels, kernel, options, dtype):
    naive, xla, _ = REFERENCES[function]
    x, weight = operands(batch, size, channels, kernel, dtype)
    expected = naive(x, weight, **options)
    weights_of_y = np.random.default_rng(1).normal(size=expected.shape).astype(dtype)

    @jax.jit
    def ours_and_xla(*arrays):
        return [with_gradients(partial(f, **options), *arrays) for f in (function, xla)]

    tolerance = {"rtol": TOLERANCE[dtype], "atol": 20 * TOLERANCE[dtype]}
    ours, reference = ours_and_xla(x, weight, weights_of_y)
    np.testing.assert_allclose(ours[0], expected, **tolerance)
    for part, wanted in zip(ours, reference, strict=True):
        assert part.dtype == dtype
        np.testing.assert_allclose(part, wanted, **tolerance)


@pytest.mark.parametrize("function", REFERENCES)
def test_forward_mode_is_the_product_rule(x64, function):
    _, _, cases = REFERENCES[function]
    batch, size, channels, kernel, options = next(iter(cases.values()))
    x, weight = operands(batch, size, channels, kernel)
    dx, d_weight = x[::-1] + 1, weight[::-1] - 1
    apply = partial(function, **options)
    _, tangent = jax.jit(partial(jax.jvp, apply))((x, weight), (dx, d_weight))
    naive = partial(REFERENCES[function][0], **options)
    np.testing.assert_allclose(tangent, naive(dx, weight) + naive(x, d_weight), atol=1e-12)


@pytest.mark.parametrize("function", REFERENCES)
def test_vmap_over_weights_and_images(x64, function):
    """As where the seeds of an experiment are trained together."""
    naive, _, cases = REFERENCES[function]
    batch, size, channels, kernel, options = next(iter(cases.values()))
    x, weight = operands(batch, size, channels, kernel)
    images, weights = np.stack([x, 2 - x]), np.stack([weight, weight[::-1]])
    weights_of_y = np.random.default_rng(1).normal(size=(2, *naive(x, weight, **options).shape))
    one = partial(with_gradients, partial(function, **options))
    together = jax.jit(jax.vmap(one))(images, weights, weights_of_y)
    for i in range(2):
        for part, expected in zip(together, jax.jit(one)(images[i], weights[i], weights_of_y[i]), strict=True):
            np.testing.assert_allclose(part[i], expected, atol=1e-12)


@pytest.mark.parametrize("function", REFERENCES)
def test_weight_gradient_is_matrix_products_on_a_cpu_and_a_convolution_elsewhere(function):
    batch, size, channels, kernel, options = next(iter(REFERENCES[function][2].values()))
    x, weight = operands(batch, size, channels, kernel, "float32")
    gradient = jax.jit(jax.grad(lambda weight, x: jnp.sum(function(x, weight, **options) ** 2)))
    programs = {
        platform: gradient.trace(weight, x).lower(lowering_platforms=(platform,)).as_text()
        for platform in ("cpu", "cuda", "tpu")
    }
    # forward only on a CPU; forward and weight gradient elsewhere
    counts = {name: (text.count("dot_general"), text.count("stablehlo.convolution")) for name, text in programs.items()}
    assert counts == {"cpu": (9, 1), "cuda": (0, 2), "tpu": (0, 2)}


@eqx.filter_jit
def outputs_of_both(layer, theirs, x):
    """Equinox puts channels first and takes one image."""
    return layer(x), jax.vmap(theirs)(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


def test_layer_is_that_of_equinox(getkey):
    layer = Convolution(3, 4, (3, 3), stride=2, padding=1, key=getkey())
    theirs = eqx.nn.Conv2d(3, 4, 3, stride=2, padding=1, key=getkey())
    weight, bias = layer.weight.transpose(3, 2, 0, 1), layer.bias[:, None, None]
    theirs = eqx.tree_at(lambda m: (m.weight, m.bias), theirs, (weight, bias))
    x = jax.random.normal(getkey(), (2, 8, 7, 3))
    np.testing.assert_allclose(*outputs_of_both(layer, theirs, x), atol=1e-5)


def test_transposed_layer_is_that_of_equinox(getkey):
    layer = TransposedConvolution(3, 4, key=getkey())
    theirs = eqx.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1, key=getkey())
    # theirs correlates with the image spread out, so its kernel lies the other way round
    weight = layer.weight[::-1, ::-1].transpose(3, 2, 0, 1)
    theirs = eqx.tree_at(lambda m: (m.weight, m.bias), theirs, (weight, layer.bias[:, None, None]))
    x = jax.random.normal(getkey(), (2, 4, 3, 3))
    found, expected = outputs_of_both(layer, theirs, x)
    assert found.shape == (2, 8, 6, 4)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_start_uniform_within_the_usual_limit(getkey):
    limit = 1 / np.sqrt(16 * 9)
    for layer in (Convolution(16, 32, (3, 3), key=getkey()), TransposedConvolution(16, 32, key=getkey())):
        weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
        assert weight.shape == (3, 3, 16, 32) and bias.shape == (32,)
        assert np.abs(weight).max() == pytest.approx(limit, rel=0.01) and np.abs(weight).max() <= limit
        assert weight.std() == pytest.approx(limit / np.sqrt(3), rel=0.03)
        assert 0.7 * limit < np.abs(bias).max() <= limit
        assert not np.isin(bias, weight).any()
