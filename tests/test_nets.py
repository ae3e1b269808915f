"""The papers' encoder and decoder: sizes, and the layers in their order."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab.nets import ConvDecoder, ConvEncoder, microbatch_size

pytestmark = pytest.mark.usefixtures("quick_compilation")

# the papers' data sets, then sizes that are odd, not square, or the smallest allowed
SHAPES = [
    (64, 64, 1),
    (28, 28, 1),
    (32, 32, 3),
    (160, 160, 3),
    (8, 8, 1),
    (9, 13, 2),
    (20, 5, 1),
    (4, 4, 1),
    (17, 33, 4),
]


def naive_encode(encoder, x):
    """Equinox's own layers, one image at a time, channels first inside."""
    x = x.transpose(2, 0, 1)
    for ours in encoder.convolutions:
        layer = eqx.nn.Conv2d(*ours.weight.shape[2:], 3, stride=2, padding=1, key=jax.random.key(0))
        parts = ours.weight.transpose(3, 2, 0, 1), ours.bias[:, None, None]
        x = jnp.maximum(eqx.tree_at(lambda m: (m.weight, m.bias), layer, parts)(x), 0)
    return encoder.linear.weight @ x.transpose(1, 2, 0).ravel() + encoder.linear.bias


def naive_decode(decoder, latents):
    height, width, _ = decoder.shape
    x = decoder.linear.weight @ latents + decoder.linear.bias
    x = x.reshape(-(-height // 16), -(-width // 16), 32).transpose(2, 0, 1)
    for ours in decoder.convolutions:
        layer = eqx.nn.ConvTranspose2d(
            *ours.weight.shape[2:], 3, stride=2, padding=1, output_padding=1, key=jax.random.key(0)
        )
        parts = ours.weight[::-1, ::-1].transpose(3, 2, 0, 1), ours.bias[:, None, None]
        x = jnp.maximum(eqx.tree_at(lambda m: (m.weight, m.bias), layer, parts)(x), 0)
    kernel = decoder.last.weight.transpose(3, 2, 0, 1)
    x = jax.lax.conv_general_dilated(x[None], kernel, (1, 1), "VALID")[0] + decoder.last.bias[:, None, None]
    return x.transpose(1, 2, 0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_output_sizes(shape):
    """By abstract evaluation: nothing is computed."""
    key, latent_size = jax.random.key(0), 7
    encoder = eqx.filter_eval_shape(ConvEncoder, shape, latent_size, key=key)
    decoder = eqx.filter_eval_shape(ConvDecoder, shape, latent_size, key=key)
    assert encoder.shape == decoder.shape == shape and encoder.latent_size == decoder.latent_size == latent_size
    x = jax.ShapeDtypeStruct((3, *shape), jnp.float32)
    latents = eqx.filter_eval_shape(encoder, x)
    assert latents.shape == (3, latent_size)
    assert eqx.filter_eval_shape(decoder, latents).shape == x.shape


@pytest.mark.parametrize(
    "shape, inside, start, kernel",
    [
        ((64, 64, 1), 16 * 16, 4 * 4, (1, 1)),
        ((28, 28, 1), 7 * 7, 2 * 2, (5, 5)),
        ((32, 32, 3), 8 * 8, 2 * 2, (1, 1)),
        ((160, 160, 3), 40 * 40, 10 * 10, (1, 1)),
        ((17, 32, 1), 5 * 8, 2 * 2, (16, 1)),
    ],
    ids=str,
)
def test_layers_have_the_widths_of_the_papers_table(shape, inside, start, kernel):
    key, channels = jax.random.key(0), shape[2]
    encoder = eqx.filter_eval_shape(ConvEncoder, shape, 11, key=key)
    decoder = eqx.filter_eval_shape(ConvDecoder, shape, 11, key=key)
    assert [c.weight.shape for c in encoder.convolutions] == [(3, 3, channels, 32), (3, 3, 32, 64)]
    assert encoder.linear.weight.shape == (11, 64 * inside)
    assert decoder.linear.weight.shape == (32 * start, 11)
    widths = [(3, 3, 32, 256), (3, 3, 256, 128), (3, 3, 128, 32), (3, 3, 32, 8)]
    assert [c.weight.shape for c in decoder.convolutions] == widths
    assert decoder.last.weight.shape == (*kernel, 8, channels)


def test_encoder_is_its_layers_in_order(getkey):
    shape = (9, 20, 2)
    encoder, x = ConvEncoder(shape, 3, key=getkey()), jax.random.normal(getkey(), (2, *shape))
    expected = eqx.filter_jit(jax.vmap(naive_encode, (None, 0)))(encoder, x)
    np.testing.assert_allclose(eqx.filter_jit(encoder)(x), expected, atol=1e-5)


def test_decoder_is_its_layers_in_order(getkey):
    decoder, latents = ConvDecoder((9, 20, 2), 3, key=getkey()), 300 * jax.random.normal(getkey(), (2, 3))
    expected = eqx.filter_jit(jax.vmap(naive_decode, (None, 0)))(decoder, latents)
    assert expected.min() < 0 < expected.max()  # no activation at the end
    np.testing.assert_allclose(eqx.filter_jit(decoder)(latents), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("net", [ConvEncoder, ConvDecoder])
def test_every_array_starts_from_numbers_of_its_own(getkey, net):
    """Two arrays drawn with one key would be multiples of each other at their beginning."""
    leaves = [np.asarray(leaf).ravel() for leaf in jax.tree.leaves(net((8, 8, 8), 5, key=getkey()))]
    starts = [leaf[:5] / leaf[0] for leaf in leaves]
    for i, start in enumerate(starts):
        assert not any(np.allclose(start, other, rtol=1e-5) for other in starts[:i])


@pytest.mark.parametrize("net", [ConvEncoder, ConvDecoder])
@pytest.mark.parametrize(
    "shape, latent_size, message",
    [
        ((3, 8, 1), 2, r"shape = \(3, 8, 1\): .*at least 4×4 pixels"),
        ((8, 3, 1), 2, r"shape = \(8, 3, 1\): .*at least 4×4 pixels"),
        ((8, 8, 0), 2, r"shape = \(8, 8, 0\): .*1 channel"),
        ((8, 8, 1), 0, "latent_size = 0: use 1 or more"),
        ((8, 8, 1), -1, "latent_size = -1: use 1 or more"),
    ],
    ids=str,
)
def test_sizes_too_small_are_refused(getkey, net, shape, latent_size, message):
    with pytest.raises(ValueError, match=message):
        net(shape, latent_size, key=getkey())


@pytest.mark.parametrize("net", [ConvEncoder, ConvDecoder])
def test_shape_without_channels_is_refused(getkey, unchecked, net):
    with pytest.raises(ValueError, match=r"shape = \(28, 28\): .*grey images with x\[..., None\]"):
        net((28, 28), 2, key=getkey())


def test_a_cpu_works_through_a_batch_in_parts_of_about_equal_numbers_of_pixels(monkeypatch):
    assert microbatch_size((64, 64, 1)) == 8 and microbatch_size((28, 28, 3)) == 41
    assert microbatch_size((640, 640, 3)) == 4  # smaller parts make products too narrow
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    assert microbatch_size((64, 64, 1)) is None
