"""The two convolutions against loops, against XLA's own gradients, and against Equinox's layers.

The references take the batch first; `batch_first` brings ours, whose batch comes last, to the same form.
"""

import re
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
    "fewer outputs than inputs, with padding": (2, (5, 6), (3, 1), (3, 2), {"padding": 1}),
    "padding above the kernel": (2, (3, 4), (3, 1), (2, 2), {"padding": 3}),
    "stride 3, rest left over": (2, (9, 10), (2, 3), (4, 2), {"stride": 3, "padding": 1}),
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
    "stride above the kernel": (2, (3, 2), (2, 2), (2, 1), {"stride": 3, "padding": 0, "output_padding": 0}),
}
TOLERANCE = {"bfloat16": 0.03, "float32": 1e-5, "float64": 1e-13}


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


def batch_first(function):
    def with_batch_first(x, weight, **options):
        return function(x.transpose(3, 1, 2, 0), weight, **options).transpose(3, 1, 2, 0)

    return with_batch_first


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
    if dtype == "float64" or name in ("encoder", "decoder", "odd sizes")
]


def operands(batch, size, channels, kernel, dtype="float64"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, *size, channels[0]))
    return x.astype(dtype), rng.normal(size=(*kernel, *channels)).astype(dtype)


def first_case(function):
    """The geometry of the papers' networks, as operands and options."""
    batch, size, channels, kernel, options = next(iter(REFERENCES[function][2].values()))
    return *map(jnp.asarray, operands(batch, size, channels, kernel)), options


def with_gradients(function, x, weight, weights_of_y):
    """Value, and both gradients of its weighted sum."""
    y, pull = jax.vjp(function, x, weight)
    return y, *pull(weights_of_y)


# --------------------------------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("function, batch, size, channels, kernel, options, dtype", CASES)
def test_value_and_gradients_are_those_of_the_references(x64, function, batch, size, channels, kernel, options, dtype):
    naive, xla, _ = REFERENCES[function]
    x, weight = operands(batch, size, channels, kernel, dtype)
    expected = naive(x.astype("float64"), weight.astype("float64"), **options)
    weights_of_y = np.random.default_rng(1).normal(size=expected.shape).astype(dtype)
    ours = jax.jit(partial(with_gradients, partial(batch_first(function), **options)))(x, weight, weights_of_y)
    exact = [a.astype("float64") for a in (x, weight, weights_of_y)]
    reference = jax.jit(partial(with_gradients, partial(xla, **options)))(*exact)
    np.testing.assert_allclose(reference[0], expected, atol=1e-12)
    for part, wanted in zip(ours, reference, strict=True):
        assert part.dtype == dtype
        scale = max(1.0, float(np.abs(wanted).max()))
        np.testing.assert_allclose(part.astype("float64"), wanted, atol=TOLERANCE[dtype] * scale)


@pytest.mark.parametrize("batch", [1, 5, 64])
def test_every_batch_size(getkey, batch):
    layer, up = Convolution(2, 3, (3, 3), stride=2, padding=1, key=getkey()), TransposedConvolution(3, 2, key=getkey())
    x = jax.random.normal(getkey(), (2, 6, 6, batch))
    together = jax.jit(lambda x: up(layer(x)))(x)
    one = jax.jit(lambda x: up(layer(x)))(x[..., :1])
    assert together.shape == x.shape
    np.testing.assert_allclose(together[..., :1], one, atol=1e-6)


@pytest.mark.parametrize("function", REFERENCES)
def test_forward_mode_is_refused_with_a_reason(x64, function):
    x, weight, options = first_case(function)
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(partial(batch_first(function), **options), (x, weight), (x, weight))


@pytest.mark.parametrize("function", REFERENCES)
def test_second_derivatives(x64, function):
    """Of reverse over reverse mode, as a contractive penalty needs."""
    x, weight, options = first_case(function)

    def slope(f, x, weight):
        gradient = jax.grad(lambda x: jnp.sum(jnp.sin(f(x, weight, **options))))(x)
        return jnp.sum(gradient**2)

    ours = jax.jit(jax.grad(partial(slope, batch_first(function)), (0, 1)))(x, weight)
    reference = jax.jit(jax.grad(partial(slope, REFERENCES[function][1]), (0, 1)))(x, weight)
    for part, wanted in zip(ours, reference, strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("function", REFERENCES)
def test_vmap_over_weights_and_images(x64, function):
    """As where the seeds of an experiment are trained together."""
    x, weight, options = first_case(function)
    images, weights = jnp.stack([x, 2 - x]), jnp.stack([weight, weight[::-1]])
    weights_of_y = np.random.default_rng(1).normal(size=(2, *REFERENCES[function][1](x, weight, **options).shape))
    one = partial(with_gradients, partial(batch_first(function), **options))
    together = jax.jit(jax.vmap(one))(images, weights, weights_of_y)
    for i in range(2):
        for part, expected in zip(together, jax.jit(one)(images[i], weights[i], weights_of_y[i]), strict=True):
            np.testing.assert_allclose(part[i], expected, atol=1e-12)


def lowered(function, platform):
    """The program of the first case's two gradients."""
    x, weight, options = first_case(function)
    arrays = [jnp.asarray(a, jnp.float32) for a in (x.transpose(3, 1, 2, 0), weight)]
    gradient = jax.jit(jax.grad(lambda x, weight: jnp.sum(function(x, weight, **options) ** 2), (0, 1)))
    return gradient.trace(*arrays).lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize("function", REFERENCES)
def test_matrix_products_on_a_cpu_and_convolutions_elsewhere(function):
    programs = {platform: lowered(function, platform) for platform in ("cpu", "cuda", "tpu")}
    # one for the value and one for each gradient
    counts = {name: (text.count("dot_general"), text.count("stablehlo.convolution")) for name, text in programs.items()}
    assert counts == {"cpu": (3, 0), "cuda": (0, 3), "tpu": (0, 3)}


@pytest.mark.parametrize("function", REFERENCES)
def test_on_accelerators_what_is_spread_out_with_zeros_meets_a_small_kernel(function):
    """cuDNN has algorithms for that, and none where the kernel is as large as the image: 160×160 in CelebA."""
    lines = [line for line in lowered(function, "cuda").splitlines() if "stablehlo.convolution" in line]
    spread = [line for line in lines if "lhs_dilate = [2, 2]" in line]
    kernels = [re.findall(r"tensor<(\d+)x(\d+)x", line)[1] for line in spread]
    assert kernels == [("3", "3")]


@pytest.mark.parametrize("function", REFERENCES)
def test_what_runs_on_accelerators_is_the_same_map(x64, function, monkeypatch):
    """Every geometry, by the branch that no CPU takes."""
    taken = []

    def as_elsewhere(*operands, cpu, default):
        taken.append(cpu)
        return default(*operands)

    monkeypatch.setattr(jax.lax, "platform_dependent", as_elsewhere)
    _, xla, cases = REFERENCES[function]
    for batch, size, channels, kernel, options in cases.values():
        x, weight = map(jnp.asarray, operands(batch, size, channels, kernel))
        shape = jax.eval_shape(partial(xla, **options), x, weight).shape
        weights_of_y = np.random.default_rng(1).normal(size=shape)
        ours = with_gradients(partial(batch_first(function), **options), x, weight, weights_of_y)
        for part, wanted in zip(ours, with_gradients(partial(xla, **options), x, weight, weights_of_y), strict=True):
            np.testing.assert_allclose(part, wanted, atol=1e-11)
    assert len(taken) == 2 * len(cases)


@eqx.filter_jit
def outputs_of_both(layer, theirs, x):
    """Equinox takes one image."""
    return layer(x), jax.vmap(theirs, in_axes=-1, out_axes=-1)(x)


def test_layer_is_that_of_equinox(getkey):
    layer = Convolution(3, 4, (3, 3), stride=2, padding=1, key=getkey())
    theirs = eqx.nn.Conv2d(3, 4, 3, stride=2, padding=1, key=getkey())
    weight, bias = layer.weight.transpose(3, 2, 0, 1), layer.bias[:, None, None]
    theirs = eqx.tree_at(lambda m: (m.weight, m.bias), theirs, (weight, bias))
    x = jax.random.normal(getkey(), (3, 8, 7, 2))
    np.testing.assert_allclose(*outputs_of_both(layer, theirs, x), atol=1e-5)


def test_transposed_layer_is_that_of_equinox(getkey):
    layer = TransposedConvolution(3, 4, key=getkey())
    theirs = eqx.nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1, key=getkey())
    # theirs correlates with the image spread out, so its kernel lies the other way round
    weight = layer.weight[::-1, ::-1].transpose(3, 2, 0, 1)
    theirs = eqx.tree_at(lambda m: (m.weight, m.bias), theirs, (weight, layer.bias[:, None, None]))
    x = jax.random.normal(getkey(), (3, 4, 3, 2))
    found, expected = outputs_of_both(layer, theirs, x)
    assert found.shape == (4, 8, 6, 2)
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
