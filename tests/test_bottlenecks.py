"""What lies between encoder and decoder, on small matrices."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab.bottlenecks import (
    Activations,
    AdaptiveBasis,
    BatchBasis,
    Bottleneck,
    FixedBasis,
    Identity,
    LinearStack,
    LowRank,
    Sigmoid,
    Variational,
    VariationalLowRank,
)
from vrrae_lab.gaussian import DiagonalGaussian, PointMass
from vrrae_lab.linalg import subspace_angle

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
        "linear stack": LinearStack(LATENT_SIZE, 3, key=getkey()),
        "sigmoid": Sigmoid(),
        "variational, f = I": Variational(LATENT_SIZE, mean_layer=eqx.nn.Identity(), key=getkey()),
        "variational low rank, f trained": VariationalLowRank(
            RANK, mean_layer=eqx.nn.Linear(RANK, RANK, key=getkey()), key=getkey()
        ),
    }


NAMES = [
    "identity",
    "variational",
    "low rank",
    "variational low rank",
    "linear stack",
    "sigmoid",
    "variational, f = I",
    "variational low rank, f trained",
]


def fixed(bottleneck, matrix):
    return bottleneck.on_basis(FixedBasis(jnp.asarray(matrix)))


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", ["low rank", "variational low rank", "variational low rank, f trained"])
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


# ---- linear layers and a sigmoid


def test_linear_stack_is_the_product_of_all_its_matrices(bottlenecks, latents, getkey):
    stack = bottlenecks["linear stack"]
    expected = np.asarray(latents, np.float64)
    for layer in stack.layers:
        assert layer.bias is None
        expected = expected @ np.asarray(layer.weight, np.float64).T
    draw = stack(latents, key=getkey())
    np.testing.assert_allclose(draw.latents, expected, atol=1e-5)
    np.testing.assert_array_equal(draw.posterior.mean, draw.latents)
    assert len(stack.layers) == 3 and np.abs(expected).max() > 0.1
    assert stack.decode(latents) is latents  # they stand before the latents, not behind


def test_matrices_of_a_linear_stack_start_apart_and_all_learn(bottlenecks, latents):
    stack = bottlenecks["linear stack"]
    first, second, third = (layer.weight for layer in stack.layers)
    assert not np.any(first == second) and not np.any(second == third) and not np.any(first == third)
    gradient = eqx.filter_grad(lambda stack: jnp.sum(stack.encode(latents).mean ** 2))(stack)
    y = np.asarray(latents, np.float64)
    a, b, c = (np.asarray(w, np.float64) for w in (first, second, third))
    out = 2 * y @ a.T @ b.T @ c.T
    for found, expected in zip(
        gradient.layers,
        ((out @ c @ b).T @ y, (out @ c).T @ (y @ a.T), out.T @ (y @ a.T @ b.T)),
        strict=True,
    ):
        np.testing.assert_allclose(found.weight, expected, atol=1e-4)
        assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("count", [0, -1])
def test_linear_stack_without_a_matrix_is_refused(getkey, count):
    with pytest.raises(ValueError, match=f"num_matrices = {count}: use 1 or more"):
        LinearStack(LATENT_SIZE, count, key=getkey())


def test_sigmoid_gives_activations_and_keeps_what_they_were_made_of(latents, getkey):
    draw = Sigmoid()(latents, key=getkey())
    assert isinstance(draw.posterior, Activations)
    np.testing.assert_allclose(draw.latents, 1 / (1 + np.exp(-np.asarray(latents))), rtol=1e-5)
    np.testing.assert_array_equal(draw.posterior.sample(key=getkey()), draw.latents)
    np.testing.assert_array_equal(draw.posterior.logits, latents)
    assert Sigmoid().decode(draw.latents) is draw.latents


# ---- mean layers


def test_variational_with_f_the_identity_has_the_latents_as_mean(bottlenecks, latents, getkey):
    key = getkey()
    both = Variational(LATENT_SIZE, key=key), Variational(LATENT_SIZE, mean_layer=eqx.nn.Identity(), key=key)
    plain, identity = (bottleneck.encode(latents) for bottleneck in both)
    np.testing.assert_array_equal(identity.mean, latents)
    np.testing.assert_array_equal(identity.log_variance, plain.log_variance)  # the same g from the same key
    assert len(jax.tree.leaves(both[1])) == 2  # and no f to train


def test_variational_low_rank_with_a_trained_f(bottlenecks, latents, getkey):
    bottleneck, key = bottlenecks["variational low rank, f trained"], getkey()
    basis = naive_basis(latents, RANK)
    draw, f, g = bottleneck(latents, key=key), bottleneck.mean_layer, bottleneck.log_variance_layer
    alpha = np.asarray(latents) @ basis
    np.testing.assert_allclose(draw.posterior.mean, alpha @ f.weight.T + f.bias[None], atol=1e-5)
    np.testing.assert_allclose(draw.posterior.log_variance, alpha @ g.weight.T + g.bias[None], atol=1e-5)
    np.testing.assert_allclose(draw.latents, draw.posterior.sample(key=key) @ basis.T, atol=1e-5)


def test_basis_of_another_rank_is_refused(getkey):
    with pytest.raises(ValueError, match="rank = 2, but the basis has rank 3"):
        VariationalLowRank(2, basis=BatchBasis(3), key=getkey())


# ---- a rank that changes


@pytest.mark.parametrize("active", [1, 2, 4])
def test_adaptive_basis_is_the_truncation_to_its_active_rank(x64, getkey, active):
    """Value and gradient."""
    y = jax.random.normal(getkey(), (BATCH, LATENT_SIZE))
    weights = jax.random.normal(getkey(), (BATCH, LATENT_SIZE))

    def value(latents, basis):
        return jnp.sum(weights * LowRank(basis)(latents, key=jax.random.key(0)).latents ** 2)

    fixed_rank = LowRank.of_rank(active).basis
    found, expected = (jax.value_and_grad(value)(y, basis) for basis in (AdaptiveBasis(4, active), fixed_rank))
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-10)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-8)
    basis, coefficients = AdaptiveBasis(4, active).project(y)
    np.testing.assert_array_equal(basis[:, active:], 0)
    np.testing.assert_array_equal(coefficients[:, active:], 0)
    np.testing.assert_allclose(coefficients[:, :active], y @ naive_basis(y, active), atol=1e-8)


def test_inactive_coefficients_of_a_variational_low_rank_cost_and_do_nothing(latents, getkey):
    layers = {"mean_layer": eqx.nn.Linear(4, 4, key=getkey())}
    bottleneck, key = VariationalLowRank(4, basis=AdaptiveBasis(4, 2), key=getkey(), **layers), getkey()
    draw = bottleneck(latents, key=key)
    np.testing.assert_array_equal(draw.posterior.mean[:, 2:], 0)
    np.testing.assert_array_equal(draw.posterior.kl()[:, 2:], 0)
    assert np.abs(draw.posterior.kl()[:, :2]).min() > 0
    z = np.asarray(draw.posterior.sample(key=key))
    assert np.abs(z[:, 2:]).max() > 0.1  # noise that must not reach the decoder
    np.testing.assert_allclose(draw.latents, z[:, :2] @ naive_basis(latents, 2).T, atol=1e-5)

    def value(bottleneck):
        draw = bottleneck(latents, key=key)
        return jnp.sum(draw.posterior.kl()) + jnp.sum(draw.latents**2)

    gradient = eqx.filter_grad(value)(bottleneck)
    for layer in (gradient.mean_layer, gradient.log_variance_layer):
        np.testing.assert_array_equal(layer.weight[2:], 0)
        np.testing.assert_array_equal(layer.weight[:, 2:], 0)
        np.testing.assert_array_equal(layer.bias[2:], 0)
        assert np.abs(layer.weight[:2, :2]).min() > 0


def test_fixed_basis_of_fewer_directions_takes_the_first_of_f_and_g(latents, getkey):
    layers = {"mean_layer": eqx.nn.Linear(4, 4, key=getkey())}
    adaptive = VariationalLowRank(4, basis=AdaptiveBasis(4, 2), key=getkey(), **layers)
    small = adaptive.on_basis(FixedBasis(jnp.asarray(naive_basis(latents, 2))))
    expected, found = adaptive.encode(latents), small.encode(latents)
    np.testing.assert_allclose(found.mean, expected.mean[:, :2], atol=1e-5)
    np.testing.assert_allclose(found.log_variance, expected.log_variance[:, :2], atol=1e-5)
    assert small.log_variance_layer.out_features == 2


def test_another_active_rank_does_not_compile_again(latents):
    traces = []

    @eqx.filter_jit
    def rank(basis, latents):
        traces.append(basis)
        return basis.project(latents)[1]

    for active in range(1, 5):
        assert np.count_nonzero(rank(AdaptiveBasis(4, active), latents)) == active * BATCH
    assert len(traces) == 1


@pytest.mark.parametrize("active", [0, 5, -1])
def test_active_rank_out_of_range_is_refused(active):
    with pytest.raises(ValueError, match=f"active = {active}: use 1 to 4"):
        AdaptiveBasis(4, active)


def test_adaptive_basis_belongs_to_a_batch(latents):
    with pytest.raises(ValueError, match=r"call freeze_basis\(model, x_train\) first"):
        LowRank(AdaptiveBasis(4)).decode(jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match="rank = 4 .*batch 3"):
        LowRank(AdaptiveBasis(4, 1)).encode(latents[:3])


@pytest.mark.parametrize("rank", [0, -2])
def test_rank_below_one_is_refused(getkey, rank):
    for make in (BatchBasis, AdaptiveBasis, LowRank.of_rank, lambda rank: VariationalLowRank(rank, key=getkey())):
        with pytest.raises(ValueError, match=f"rank = {rank}: keep 1"):
            make(rank)


# ---- centred


def naive_centred(latents, rank):
    """Low-rank latents by JAX's own SVD, the mean of the batch off before and on after."""
    mean = latents.mean(axis=0)[None, :]
    _, _, right = jnp.linalg.svd(latents - mean, full_matrices=False)
    basis = right[:rank].T
    basis = basis * jnp.sign(jnp.take_along_axis(basis, jnp.argmax(jnp.abs(basis), axis=0)[None], axis=0))
    return (latents - mean) @ basis @ basis.T + mean, (latents - mean) @ basis


@pytest.mark.parametrize("basis", [BatchBasis(RANK, centre=True), AdaptiveBasis(4, RANK, centre=True)], ids=type)
def test_centred_bottlenecks_take_the_mean_off_and_put_it_back(x64, getkey, basis):
    """Value and gradient."""
    y = jax.random.normal(getkey(), (BATCH, LATENT_SIZE)) + 3
    weights = jax.random.normal(getkey(), (BATCH, LATENT_SIZE))

    def value(latents):
        draw = LowRank(basis)(latents, key=jax.random.key(0))
        return jnp.sum(weights * draw.latents**2) + jnp.sum(jnp.sin(draw.posterior.mean[:, :RANK])), draw

    def naive(latents):
        low_rank, coefficients = naive_centred(latents, RANK)
        return jnp.sum(weights * low_rank**2) + jnp.sum(jnp.sin(coefficients)), (low_rank, coefficients)

    (_, draw), gradient = jax.value_and_grad(value, has_aux=True)(y)
    (_, (low_rank, coefficients)), expected = jax.value_and_grad(naive, has_aux=True)(y)
    np.testing.assert_allclose(draw.latents, low_rank, atol=1e-10)
    np.testing.assert_allclose(draw.posterior.mean[:, :RANK], coefficients, atol=1e-10)
    np.testing.assert_allclose(gradient, expected, atol=1e-8)
    assert np.abs(draw.posterior.mean.mean(axis=0)).max() < 1e-10


def test_centred_variational_low_rank_draws_around_the_mean(latents, getkey):
    bottleneck, key = VariationalLowRank(RANK, centre=True, key=getkey()), getkey()
    shifted = latents + 5
    draw = bottleneck(shifted, key=key)
    mean = np.asarray(shifted, float).mean(axis=0)
    basis = naive_basis(np.asarray(shifted, float) - mean, RANK)
    np.testing.assert_allclose(draw.latents, np.asarray(draw.posterior.sample(key=key)) @ basis.T + mean, atol=1e-4)
    np.testing.assert_allclose(bottleneck(latents, key=key).posterior.mean, draw.posterior.mean, atol=1e-4)

    frozen = bottleneck.on_basis(FixedBasis(jnp.asarray(basis), jnp.asarray(mean)))
    np.testing.assert_allclose(frozen(shifted, key=key).latents, draw.latents, atol=1e-4)
    np.testing.assert_allclose(frozen.encode(shifted[:1]).mean, draw.posterior.mean[:1], atol=1e-4)
    np.testing.assert_allclose(frozen.decode(jnp.zeros((1, RANK)))[0], mean, atol=1e-5)


@pytest.mark.parametrize("method", ["svd", "gram"])
def test_centring_is_right_where_the_mean_is_nearly_all(method, getkey):
    """99.9 % of the squares; taking N·μμᵀ off a Gram matrix in float32 would be wrong by 5e-4 here."""
    latents = np.asarray(jax.random.normal(getkey(), (64, 20))) * np.linspace(3, 0.3, 20)
    rest = latents - latents.mean(axis=0)
    mean = np.array(jax.random.normal(getkey(), (20,)))
    mean *= np.sqrt(999 * (rest**2).sum() / 64) / np.linalg.norm(mean)
    y = (rest + mean).astype(np.float32)
    basis, _ = BatchBasis(RANK, method=method, centre=True).project(jnp.asarray(y))
    exact = y.astype(float) - y.astype(float).mean(axis=0)
    assert subspace_angle(np.asarray(basis, float), naive_basis(exact, RANK)) < 5e-5


def test_no_gradient_flows_into_a_fixed_offset(latents):
    basis = FixedBasis(jnp.asarray(naive_basis(latents, RANK)), jnp.ones(LATENT_SIZE))

    def total(basis):
        return jnp.sum(LowRank(basis)(latents, key=jax.random.key(0)).latents ** 2)

    np.testing.assert_array_equal(jax.grad(total)(basis).offset, 0)
    assert basis.centre and not FixedBasis(basis.matrix).centre


@pytest.mark.usefixtures("unchecked")
def test_offset_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"offset has shape \(3,\) and the matrix \(5, 2\)"):
        FixedBasis(jnp.eye(5)[:, :2], jnp.ones(3))
