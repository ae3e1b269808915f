"""The autoencoder class, its named constructors, and freezing a basis."""

import math
from contextlib import nullcontext

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import linear_nets

from vrrae_lab import checkpoint, losses, models, nets
from vrrae_lab.bottlenecks import Activations, FixedBasis, Identity, LowRank, Variational, VariationalLowRank
from vrrae_lab.gaussian import DiagonalGaussian, PointMass
from vrrae_lab.models import (
    CONSTRUCTORS,
    Autoencoder,
    build,
    freeze_basis,
    in_batches,
    is_frozen,
    num_parameters,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")

SHAPE = (8, 8, 1)
ARGUMENTS = {
    "ae": {"latent_size": 2},
    "vae": {"latent_size": 2},
    "rrae": {"latent_size": 6, "rank": 3},
    "vrrae": {"latent_size": 6, "rank": 3},
    "long_ae": {"latent_size": 6},
    "vae_identity": {"latent_size": 2},
    "rrae_vae": {"latent_size": 6, "rank": 3},
    "irmae": {"latent_size": 2, "num_matrices": 2},
    "lorae": {"latent_size": 2},
    "sparse_ae": {"latent_size": 2},
    "contractive_ae": {"latent_size": 2},
    "avae": {"latent_size": 2},
    "beta_tcvae": {"latent_size": 2},
    "adaptive_rrae": {"latent_size": 6, "rank": 3},
    "adaptive_vrrae": {"latent_size": 6, "rank": 3},
}
CODE_SIZE = {name: sizes.get("rank", sizes["latent_size"]) for name, sizes in ARGUMENTS.items()}
VARIATIONAL = {"vae", "vae_identity", "beta_tcvae", "vrrae", "rrae_vae", "adaptive_vrrae"}


@pytest.fixture(scope="module")
def built():
    """All models: four as their constructors make them, the others with linear nets, to compile less."""
    return {name: make(name, seed=0) for name in CONSTRUCTORS}


def make(name, seed):
    with nullcontext() if name in ("ae", "vae", "rrae", "vrrae") else linear_nets():
        return build(name, {"shape": SHAPE} | ARGUMENTS[name], key=jax.random.key(seed))


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).normal(size=(9, *SHAPE)).astype(np.float32)


class Matrix(eqx.Module):
    """A linear encoder or decoder: quick to compile, and its latents have a known SVD."""

    matrix: jax.Array
    shape: tuple = eqx.field(static=True)

    def __call__(self, x):
        return (x.reshape(len(x), -1) @ self.matrix).reshape(len(x), *self.shape)


LATENT_SIZE, RANK = 6, 3


def linear(bottleneck, dtype="float32"):
    rng = np.random.default_rng(1)
    encoder = jnp.asarray(rng.normal(size=(16, LATENT_SIZE)) * 0.6 ** np.arange(LATENT_SIZE), dtype)
    decoder = jnp.asarray(rng.normal(size=(LATENT_SIZE, 16)), dtype)
    return Autoencoder(Matrix(encoder, (LATENT_SIZE,)), bottleneck, Matrix(decoder, (4, 4, 1)), (4, 4, 1))


def images(count, seed=2):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, 4, 4, 1)), jnp.float32)


LOW_RANK = {"rrae": LowRank.of_rank(RANK), "vrrae": VariationalLowRank(RANK, key=jax.random.key(3))}


# ------------------------------------------------------------------------------------------------------- the nets


def naive_count(shape, latent_size, rank, encoder_pixels, decoder_pixels, kernel):
    """Weights and biases of the papers' table, layer by layer."""
    channels = shape[2]
    encoder = [9 * channels * 32 + 32, 9 * 32 * 64 + 64, 64 * encoder_pixels * latent_size + latent_size]
    decoder = [(latent_size + 1) * 32 * decoder_pixels, kernel * 8 * channels + channels]
    decoder += [9 * a * b + b for a, b in ((32, 256), (256, 128), (128, 32), (32, 8))]
    return sum(encoder) + sum(decoder) + rank * rank + rank


@pytest.mark.parametrize(
    "shape, latent_size, rank, encoder_pixels, decoder_pixels, kernel, millions",
    [
        ((64, 64, 1), 200, 2, 16**2, 4**2, 1, 3.81),
        ((28, 28, 1), 100, 16, 7**2, 2**2, 25, 0.75),
        ((32, 32, 3), 512, 60, 8**2, 2**2, 1, 2.6),
        ((160, 160, 3), 512, 186, 40**2, 10**2, 1, 54),
    ],
    ids=["bumps", "MNIST", "CIFAR-10", "CelebA"],
)
def test_parameter_counts_are_the_papers(shape, latent_size, rank, encoder_pixels, decoder_pixels, kernel, millions):
    model = eqx.filter_eval_shape(models.vrrae, shape, latent_size, rank, key=jax.random.key(0))
    leaves = [leaf for leaf in jax.tree.leaves(model) if isinstance(leaf, jax.ShapeDtypeStruct)]
    count = sum(math.prod(leaf.shape) for leaf in leaves)
    assert count == naive_count(shape, latent_size, rank, encoder_pixels, decoder_pixels, kernel)
    assert count / 1e6 == pytest.approx(millions, rel=0.012)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_one_pass_and_its_parts(built, x, getkey, name):
    model, code = built[name], (len(x), CODE_SIZE[name])
    x_hat, posterior = eqx.filter_jit(model)(x, key=getkey())
    assert x_hat.shape == x.shape and x_hat.dtype == np.float32
    assert posterior.mean.shape == code
    assert isinstance(posterior, DiagonalGaussian if name in VARIATIONAL else PointMass | Activations)
    frozen = freeze_basis(model, x)
    np.testing.assert_allclose(frozen.encode(x).mean, posterior.mean, atol=1e-4)
    assert is_frozen(frozen) and is_frozen(model) == ("rank" not in ARGUMENTS[name])
    assert frozen.decode(np.zeros(code, np.float32)).shape == x.shape
    np.testing.assert_array_equal(frozen.reconstruct(x), frozen.decode(frozen.encode(x).mean))
    if name not in VARIATIONAL:  # without noise the training pass is the reconstruction
        np.testing.assert_allclose(frozen.reconstruct(x), x_hat, atol=1e-4)


@pytest.mark.parametrize("name", ["ae", "vrrae"])
def test_squared_error_is_that_of_the_pass_with_the_same_key(built, x, getkey, monkeypatch, name):
    """Value and gradient, for a batch of several parts and a rest."""
    model, key = built[name], getkey()
    monkeypatch.setattr(nets, "PIXELS_AT_A_TIME", 5 * math.prod(model.shape[:2]))
    assert nets.microbatch_size(model.shape) == 5 and len(x) > 5 and len(x) % 5

    def whole(model, x):
        x_hat, posterior = model(x, key=key)
        return jnp.sum((x_hat - x) ** 2), posterior.mean

    def in_parts(model, x):
        squares, posterior = model.squared_error(x, key=key)
        return squares, posterior.mean

    found, expected = (eqx.filter_jit(eqx.filter_value_and_grad(f, has_aux=True))(model, x) for f in (in_parts, whole))
    for ours, reference in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-3, atol=1e-4 * float(jnp.abs(reference).max()))


def test_full_rank_low_rank_model_is_the_autoencoder(getkey):
    x, key = images(8), getkey()
    truncated = linear(LowRank.of_rank(LATENT_SIZE))(x, key=key).x_hat
    np.testing.assert_allclose(truncated, linear(Identity())(x, key=key).x_hat, atol=1e-4)


# ------------------------------------------------------------------------------------------------------ randomness


@pytest.mark.parametrize(
    "family",
    [("vae", "vae_identity", "beta_tcvae"), ("vrrae", "rrae_vae", "adaptive_vrrae"), ("ae", "contractive_ae", "avae")],
)
def test_a_model_and_its_ablation_start_from_the_same_numbers(family):
    def of(name):
        model = build(name, {"shape": SHAPE} | ARGUMENTS[name], key=jax.random.key(4))
        parts = model.encoder, model.decoder, getattr(model.bottleneck, "log_variance_layer", None)
        return numbers(parts)

    with linear_nets():
        first, *others = map(of, family)
    for other in others:
        assert all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def numbers(model):
    """Those that are trained, drawn with the key."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))]


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_initial_weights_are_a_function_of_the_key(built, name):
    again, other = (make(name, seed) for seed in range(2))
    for a, b, c in zip(numbers(built[name]), numbers(again), numbers(other), strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.any(a == c)


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_no_two_parts_start_from_the_same_numbers(built, name):
    leaves = [leaf.ravel() for leaf in numbers(built[name]) if leaf.size > 1]
    starts = [leaf[:2] / leaf[0] for leaf in leaves]  # arrays drawn with one key are multiples of each other
    for i, start in enumerate(starts):
        assert not any(np.allclose(start, other, rtol=1e-6) for other in starts[:i])


@pytest.mark.parametrize("bottleneck", [Variational(LATENT_SIZE, key=jax.random.key(0)), LOW_RANK["vrrae"]])
def test_noise_is_a_function_of_the_key(getkey, bottleneck):
    model, x, key = linear(bottleneck), images(5), getkey()
    first = model(x, key=key).x_hat
    np.testing.assert_array_equal(first, model(x, key=key).x_hat)
    assert not np.any(first == model(x, key=getkey()).x_hat)
    np.testing.assert_array_equal(model.encode(x).mean, model.encode(x).mean)


# ---------------------------------------------------------------------------------------------------- frozen bases


@pytest.mark.parametrize("name", LOW_RANK)
def test_frozen_basis_is_the_batch_basis_on_the_same_data(getkey, name):
    model, x, key = linear(LOW_RANK[name]), images(40), getkey()
    frozen = freeze_basis(model, x)
    np.testing.assert_allclose(frozen.encode(x).mean, model.encode(x).mean, atol=1e-4)
    np.testing.assert_allclose(frozen(x, key=key).x_hat, model(x, key=key).x_hat, atol=1e-3)
    # and sample by sample, which the batch basis cannot
    np.testing.assert_allclose(frozen.encode(x[:1]).mean, model.encode(x).mean[:1], atol=1e-4)


def test_frozen_basis_is_of_all_the_data_in_whatever_order():
    model, x = linear(LOW_RANK["rrae"]), images(520)  # three rounds, the last one short
    basis = freeze_basis(model, x).bottleneck.basis
    assert isinstance(basis, FixedBasis) and basis.matrix.dtype == np.float32
    latents = np.asarray(x.reshape(len(x), -1), np.float64) @ np.asarray(model.encoder.matrix, np.float64)
    expected = np.linalg.svd(latents)[2][:RANK].T
    expected *= np.sign(expected[np.abs(expected).argmax(axis=0), np.arange(RANK)])
    np.testing.assert_allclose(basis.matrix, expected, atol=1e-5)
    for other_order in (x[::-1], np.roll(x, 100, axis=0)):
        np.testing.assert_allclose(freeze_basis(model, other_order).bottleneck.basis.matrix, basis.matrix, atol=1e-5)
    assert np.abs(freeze_basis(model, x[:100]).bottleneck.basis.matrix - basis.matrix).max() > 1e-3


def test_centred_basis_is_frozen_with_the_mean_of_all_the_data():
    model, x = linear(LowRank.of_rank(RANK, centre=True)), images(520)
    basis = freeze_basis(model, x).bottleneck.basis
    latents = np.asarray(x.reshape(len(x), -1), np.float64) @ np.asarray(model.encoder.matrix, np.float64)
    expected = np.linalg.svd(latents - latents.mean(axis=0))[2][:RANK].T
    expected *= np.sign(expected[np.abs(expected).argmax(axis=0), np.arange(RANK)])
    np.testing.assert_allclose(basis.matrix, expected, atol=1e-5)
    np.testing.assert_allclose(basis.offset, latents.mean(axis=0), atol=1e-6)
    assert num_parameters(freeze_basis(model, x)) == num_parameters(model)
    again = freeze_basis(freeze_basis(model, x), x[:100]).bottleneck.basis
    np.testing.assert_allclose(again.offset, latents[:100].mean(axis=0), atol=1e-6)


def test_frozen_model_may_be_frozen_again_on_other_data():
    model, x, other = linear(LOW_RANK["rrae"]), images(40), images(40, seed=5)
    again = freeze_basis(freeze_basis(model, x), other)
    np.testing.assert_array_equal(again.bottleneck.basis.matrix, freeze_basis(model, other).bottleneck.basis.matrix)


def test_freezing_changes_no_model_without_an_svd(x):
    for bottleneck in (Identity(), Variational(LATENT_SIZE, key=jax.random.key(0))):
        model = linear(bottleneck)
        assert freeze_basis(model, images(3)) is model and is_frozen(model)


def test_freezing_changes_neither_the_model_nor_its_number_of_parameters():
    for name, bottleneck in LOW_RANK.items():
        model = linear(bottleneck)
        frozen = freeze_basis(model, images(9))
        assert not is_frozen(model) and is_frozen(frozen)
        expected = 2 * 16 * LATENT_SIZE + (RANK * RANK + RANK if name == "vrrae" else 0)
        assert num_parameters(model) == num_parameters(frozen) == expected


def test_frozen_basis_has_the_precision_of_the_weights(x64):
    for dtype in ("float32", "float64"):
        frozen = freeze_basis(linear(LOW_RANK["rrae"], dtype), images(9).astype(dtype))
        assert frozen.bottleneck.basis.matrix.dtype == dtype


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_freezing_on_images_that_are_not_finite_is_refused(bad):
    x = images(9)
    x = x.at[4, 1, 2, 0].set(bad)
    with pytest.raises(ValueError, match="NaN or infinity"):
        freeze_basis(linear(LOW_RANK["rrae"]), x)


def test_freezing_on_fewer_images_than_the_rank_is_refused():
    with pytest.raises(ValueError, match="rank = 3, but 2 latents"):
        freeze_basis(linear(LOW_RANK["rrae"]), images(2))


@pytest.mark.parametrize("name", LOW_RANK)
def test_unfrozen_model_says_what_to_do(getkey, name):
    model = linear(LOW_RANK[name])
    for call in (model.encode, model.reconstruct, lambda x: model(x, key=getkey())):
        with pytest.raises(ValueError, match="rank = 3 .*batch 2.*freeze_basis"):
            call(images(2))
    with pytest.raises(ValueError, match=r"call freeze_basis\(model, x_train\) first"):
        model.decode(np.zeros((4, RANK), np.float32))
    with pytest.raises(ValueError, match="freeze_basis"):
        model.reconstruct(images(9))


# ------------------------------------------------------------------------------------------------- input and sizes


@pytest.mark.parametrize("shape", [(5, 4, 4, 2), (5, 4, 5, 1), (5, 1, 4, 4), (4, 4, 1), (5, 16)], ids=str)
def test_images_of_another_shape_are_refused(unchecked, getkey, shape):
    model, x = linear(LOW_RANK["rrae"]), np.zeros(shape, np.float32)
    for call in (model.encode, model.reconstruct, lambda x: model(x, key=getkey()), lambda x: freeze_basis(model, x)):
        with pytest.raises(ValueError) as error:
            call(x)
        assert f"shape {shape}" in str(error.value) and "takes (batch, 4, 4, 1)" in str(error.value)
        assert "x[..., None]" in str(error.value)


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("ae", {"latent_size": 0}, "latent_size = 0: use 1 or more"),
        ("vae", {"latent_size": 0}, "latent_size = 0: use 1 or more"),
        ("vae", {"latent_size": -3}, "latent_size = -3: use 1 or more"),
        ("rrae", {"latent_size": 4, "rank": 5}, "rank = 5 and latent_size = 4: .* between 1 and the latent size"),
        ("vrrae", {"latent_size": 4, "rank": 5}, "rank = 5 and latent_size = 4"),
        ("rrae", {"latent_size": 4, "rank": 0}, "rank = 0 and latent_size = 4"),
        ("vrrae", {"latent_size": 4, "rank": 0}, "rank = 0 and latent_size = 4"),
        ("rrae", {"latent_size": 0, "rank": 1}, "rank = 1 and latent_size = 0"),
        ("vrrae", {"latent_size": 0, "rank": 0}, "rank = 0 and latent_size = 0"),
        ("vae_identity", {"latent_size": 0}, "latent_size = 0: use 1 or more"),
        ("sparse_ae", {"latent_size": 0}, "latent_size = 0: use 1 or more"),
        ("lorae", {"latent_size": 0}, "latent_size = 0: use 1 or more"),
        ("irmae", {"latent_size": 0, "num_matrices": 2}, "latent_size = 0: use 1 or more"),
        ("irmae", {"latent_size": 4, "num_matrices": 0}, "num_matrices = 0: use 1 or more"),
        ("rrae_vae", {"latent_size": 4, "rank": 5}, "rank = 5 and latent_size = 4"),
        ("adaptive_rrae", {"latent_size": 4, "rank": 5}, "rank = 5 and latent_size = 4"),
        ("adaptive_vrrae", {"latent_size": 4, "rank": 0}, "rank = 0 and latent_size = 4"),
        ("ae", {"latent_size": 2, "shape": (3, 8, 1)}, r"shape = \(3, 8, 1\): .*at least 4×4"),
        ("vrrae", {"latent_size": 4, "rank": 2, "shape": (28, 28)}, r"shape = \(28, 28\): .*x\[..., None\]"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(unchecked, getkey, name, arguments, message):
    with pytest.raises(ValueError, match=message):
        build(name, {"shape": SHAPE} | arguments, key=getkey())


def test_shape_may_be_a_list(unchecked, getkey):
    model = models.ae(list(SHAPE), 2, key=getkey())
    assert model.shape == SHAPE and hash(model.recipe) is not None


# ---------------------------------------------------------------------------------------------------- construction


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_recipe_builds_the_same_model_again(built, name):
    model = built[name]
    assert model.recipe == (name, tuple(({"shape": SHAPE} | ARGUMENTS[name]).items()))
    with nullcontext() if name in ("ae", "vae", "rrae", "vrrae") else linear_nets():
        again = build(model.recipe.constructor, dict(model.recipe.arguments), key=jax.random.key(0))
    assert jax.tree.structure(model) == jax.tree.structure(again)
    assert all(np.array_equal(a, b) for a, b in zip(numbers(model), numbers(again), strict=True))


def test_unknown_constructor_lists_the_known_ones(getkey):
    with pytest.raises(ValueError, match="unknown model 'nonsense': known are ae, vae, rrae, vrrae"):
        build("nonsense", {}, key=getkey())


@pytest.mark.parametrize("arguments", [{"latent_size": 2}, {"shape": SHAPE, "latent_size": 2, "rank": 1}])
def test_arguments_that_are_not_the_constructors_are_refused(getkey, arguments):
    with pytest.raises(ValueError, match=f"vae takes shape, latent_size, not {', '.join(arguments)}"):
        build("vae", arguments, key=getkey())


# --------------------------------------------------------------------------------------------------------- batches


@settings(max_examples=40)
@given(count=st.integers(1, 23), size=st.integers(1, 12))
def test_in_batches_is_the_function_of_all_samples(count, size):
    x = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    sizes = set()

    def function(batch):
        sizes.add(len(batch))
        batch = np.asarray(batch)  # jax would compile for every size anew
        return {"twice": 2 * batch, "sum": batch.sum(axis=1)}

    result = in_batches(function, x, size)
    np.testing.assert_array_equal(result["twice"], 2 * x)
    np.testing.assert_array_equal(result["sum"], x.sum(axis=1))
    assert isinstance(result["sum"], np.ndarray)
    assert sizes == {min(size, count)}  # one size, so that a jitted function is compiled once


def test_in_batches_takes_posteriors_and_jax_arrays():
    model, x = linear(LOW_RANK["vrrae"]), images(11)
    frozen = freeze_basis(model, x)
    batched, whole = in_batches(frozen.encode, x, 4), frozen.encode(x)
    assert isinstance(batched, DiagonalGaussian)
    np.testing.assert_allclose(batched.mean, whole.mean, atol=1e-5)
    np.testing.assert_allclose(batched.log_variance, whole.log_variance, atol=1e-5)


def test_in_batches_of_nothing_is_refused():
    with pytest.raises(ValueError, match="there are no samples"):
        in_batches(lambda x: x, np.zeros((0, 3)))


# ---- mixed precision


def test_mixed_precision_rounds_the_networks_and_nothing_else(getkey):
    """bfloat16 has 8 bits: outputs differ by about a percent, and all that is kept or handed on is float32."""
    key = getkey()
    with linear_nets():  # on a CPU, convolutions in bfloat16 take seconds
        model = models.vrrae(SHAPE, latent_size=12, rank=3, key=key)
    mixed = models.mixed_precision(model)
    x = jax.random.normal(getkey(), (16, *SHAPE))
    loss = losses.Variational(0.1)
    (value, gradient), (expected, plain) = (
        eqx.filter_value_and_grad(lambda m: loss(m, x, key=key)[0])(m) for m in (mixed, model)
    )
    assert value.dtype == jnp.float32 and 0 < abs(float(value / expected - 1)) < 0.02
    arrays = jax.tree.leaves(eqx.filter(mixed, eqx.is_inexact_array))
    assert all(leaf.dtype == jnp.float32 for leaf in [*arrays, *jax.tree.leaves(gradient)])
    for ours, theirs in zip(jax.tree.leaves(gradient.decoder), jax.tree.leaves(plain.decoder), strict=True):
        assert float(jnp.linalg.norm(ours - theirs)) < 0.1 * float(jnp.linalg.norm(theirs))
    program = str(eqx.filter_make_jaxpr(lambda m: loss(m, x, key=key)[0])(mixed)[0])
    rounded = [line for line in program.splitlines() if "bf16" in line]
    assert any("dot_general" in line for line in rounded)
    assert not any(name in line for line in rounded for name in ("eigh", "svd[", "exp ", "log ", "erf_inv"))


def test_mixed_precision_is_there_once_and_saved_as_the_same_model(getkey, tmp_path):
    model = models.vae((8, 8, 1), latent_size=3, key=getkey())
    mixed = models.mixed_precision(model)
    assert models.mixed_precision(mixed) is mixed
    checkpoint.save(tmp_path / "mixed.ckpt", mixed)
    found, _ = checkpoint.load(tmp_path / "mixed.ckpt")
    assert jax.tree.structure(found) == jax.tree.structure(model)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)
