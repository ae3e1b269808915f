"""What lies between encoder and decoder, on small matrices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab.bottlenecks import (
    BatchBasis,
    Bottleneck,
    FixedBasis,
    Identity,
    LowRank,
    Variational,
    VariationalLowRank,
)
from vrrae_lab.gaussian import DiagonalGaussian, PointMass

pytestmark = pytest.mark.usefixtures("quick_compilation")

BATCH, LATENT_SIZE, RANK = 7, 5, 2


def naive_basis(latents, rank):
    _, _, right = np.linalg.svd(latents)
    basis = right[:rank].T
    return basis * np.sign(basis[np.abs(basis).argmax(axis=0), np.arange(rank)])


@pytest.fixture(scope="module")
def latents():
    return jax.random.normal(jax.random.key(0), (BATCH, LATENT_SIZE)) * jnp.array([[4.0, 2.0, 1.0, 0.5, 0.2]])


@pytest.fixture
def bottlenecks(getkey):
    return {
        "identity": Identity(),
        "variational": Variational(LATENT_SIZE, key=getkey()),
        "low rank": LowRank.of_rank(RANK),
        "variational low rank": VariationalLowRank(RANK, key=getkey()),
    }


def fixed(bottleneck, matrix):
    return eqx.tree_at(lambda b: b.basis, bottleneck, FixedBasis(jnp.asarray(matrix)))


@pytest.mark.parametrize("name", ["identity", "variational", "low rank", "variational low rank"])
def test_every_bottleneck_answers_the_three_calls(bottlenecks, latents, getkey, name):
    bottleneck = bottlenecks[name]
    assert isinstance(bottleneck, Bottleneck)
    draw = bottleneck(latents, key=getkey())
    posterior = bottleneck.encode(latents)
    assert draw.latents.shape == latents.shape and type(draw.posterior) is type(posterior)
    np.testing.assert_array_equal(draw.posterior.mean, posterior.mean)
    if "low rank" in name:
        assert posterior.mean.shape == (BATCH, RANK)
        bottleneck = fixed(bottleneck, naive_basis(latents, RANK))
    assert bottleneck.decode(posterior.mean).shape == latents.shape


def test_identity_changes_nothing(latents, getkey):
    draw = Identity()(latents, key=getkey())
    assert draw.latents is latents and draw.posterior.mean is latents and isinstance(draw.posterior, PointMass)
    assert Identity().encode(latents).mean is latents and Identity().decode(latents) is latents


def test_variational_posterior_is_two_linear_maps(bottlenecks, latents, getkey):
    bottleneck, key = bottlenecks["variational"], getkey()
    draw = bottleneck(latents, key=key)
    mean, log_variance = (
        latents @ layer.weight.T + layer.bias[None] for layer in (bottleneck.mean_layer, bottleneck.log_variance_layer)
    )
    np.testing.assert_allclose(draw.posterior.mean, mean, atol=1e-5)
    np.testing.assert_allclose(draw.posterior.log_variance, log_variance, atol=1e-5)
    np.testing.assert_array_equal(draw.latents, draw.posterior.sample(key=key))
    assert not np.any(bottleneck.mean_layer.weight == bottleneck.log_variance_layer.weight)
    assert bottleneck.decode(latents) is latents


def test_low_rank_latents_are_the_nearest_of_that_rank(bottlenecks, latents, getkey):
    basis = naive_basis(latents, RANK)
    draw = bottlenecks["low rank"](latents, key=getkey())
    np.testing.assert_allclose(draw.latents, latents @ basis @ basis.T, atol=1e-5)
    np.testing.assert_allclose(draw.posterior.mean, latents @ basis, atol=1e-5)
    assert np.linalg.matrix_rank(draw.latents, tol=1e-3) == RANK
    left_over = np.linalg.svd(latents, compute_uv=False)[RANK:]
    assert np.sum((draw.latents - latents) ** 2) == pytest.approx(np.sum(left_over**2), rel=1e-4)


def test_low_rank_of_full_rank_is_the_identity(latents, getkey):
    bottleneck = LowRank.of_rank(LATENT_SIZE)
    np.testing.assert_allclose(bottleneck(latents, key=getkey()).latents, latents, atol=1e-5)


def test_low_rank_gradient_leaves_the_pairs_inside_the_block_out(bottlenecks):
    """Its product does not need them; at coinciding singular values they would only add what rounding makes of 0/0."""
    assert bottlenecks["low rank"].basis == BatchBasis(RANK, within_block=False)
    assert bottlenecks["variational low rank"].basis == BatchBasis(RANK, within_block=True)
    tied = jnp.zeros((BATCH, LATENT_SIZE)).at[jnp.arange(RANK), jnp.arange(RANK)].set(1)

    @jax.jit
    @jax.grad
    def gradient(latents):
        return jnp.sum(bottlenecks["low rank"](latents, key=jax.random.key(0)).latents[:RANK, :RANK])

    # a change of this block keeps the rank, so the product follows the latents there
    expected = jnp.zeros((BATCH, LATENT_SIZE)).at[:RANK, :RANK].set(1)
    np.testing.assert_allclose(gradient(tied), expected, atol=1e-6)


def test_variational_low_rank_posterior_has_the_coefficients_as_mean(bottlenecks, latents, getkey):
    bottleneck, basis, key = bottlenecks["variational low rank"], naive_basis(latents, RANK), getkey()
    draw = bottleneck(latents, key=key)
    layer = bottleneck.log_variance_layer
    assert isinstance(draw.posterior, DiagonalGaussian)
    np.testing.assert_allclose(draw.posterior.mean, latents @ basis, atol=1e-5)
    log_variance = draw.posterior.mean @ layer.weight.T + layer.bias[None]
    np.testing.assert_allclose(draw.posterior.log_variance, log_variance, atol=1e-5)
    np.testing.assert_allclose(draw.latents, draw.posterior.sample(key=key) @ basis.T, atol=1e-5)


@pytest.mark.parametrize("name", ["low rank", "variational low rank"])
def test_fixed_basis_is_the_batch_basis_on_the_same_data(bottlenecks, latents, getkey, name):
    bottleneck, key = bottlenecks[name], getkey()
    frozen = fixed(bottleneck, naive_basis(latents, RANK))
    expected, found = bottleneck(latents, key=key), frozen(latents, key=key)
    np.testing.assert_allclose(found.latents, expected.latents, atol=1e-5)
    np.testing.assert_allclose(frozen.encode(latents).mean, bottleneck.encode(latents).mean, atol=1e-5)
    z = found.posterior.sample(key=key)
    np.testing.assert_allclose(frozen.decode(z), found.latents, atol=1e-5)


@pytest.mark.parametrize("name", ["variational", "variational low rank"])
def test_draws_are_a_function_of_the_key(bottlenecks, latents, getkey, name):
    bottleneck, key = bottlenecks[name], getkey()
    first = bottleneck(latents, key=key).latents
    np.testing.assert_array_equal(first, bottleneck(latents, key=key).latents)
    assert not np.any(first == bottleneck(latents, key=getkey()).latents)


def test_no_gradient_flows_into_a_fixed_basis(latents):
    basis = FixedBasis(jnp.asarray(naive_basis(latents, RANK)))

    def total(basis):
        matrix, coefficients = basis.project(latents)
        return jnp.sum(matrix) + jnp.sum(coefficients**2) + jnp.sum(basis.matrix_for_decoding())

    np.testing.assert_array_equal(jax.grad(total)(basis).matrix, 0)
    assert basis.rank == RANK


@pytest.mark.parametrize("name", ["low rank", "variational low rank"])
def test_coefficients_alone_cannot_be_decoded_without_a_fixed_basis(bottlenecks, name):
    with pytest.raises(ValueError, match=r"call freeze_basis\(model, x_train\) first"):
        bottlenecks[name].decode(jnp.zeros((3, RANK)))


@pytest.mark.parametrize("name", ["low rank", "variational low rank"])
def test_batch_smaller_than_the_rank_is_refused(bottlenecks, latents, getkey, name):
    for call in (bottlenecks[name].encode, lambda part: bottlenecks[name](part, key=getkey())):
        with pytest.raises(ValueError, match="rank = 2 .*batch 1.*freeze_basis"):
            call(latents[:1])
    frozen = fixed(bottlenecks[name], naive_basis(latents, RANK))
    assert frozen.encode(latents[:1]).mean.shape == (1, RANK)


@pytest.mark.parametrize("rank", [0, -2])
def test_rank_below_one_is_refused(getkey, rank):
    for make in (BatchBasis, LowRank.of_rank, lambda rank: VariationalLowRank(rank, key=getkey())):
        with pytest.raises(ValueError, match=f"rank = {rank}: keep 1"):
            make(rank)
