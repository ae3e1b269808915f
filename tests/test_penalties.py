"""Sparse, contractive and low-rank losses, against naive references in value and gradient."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import linear_nets

from vrrae_lab import losses, models
from vrrae_lab.bottlenecks import FixedBasis, Identity, LinearStack, LowRank, Sigmoid
from vrrae_lab.models import Autoencoder
from vrrae_lab.nets import ConvEncoder

pytestmark = pytest.mark.usefixtures("quick_compilation")

SHAPE, LATENT_SIZE, KEY = (4, 4, 1), 3, jax.random.key(0)


class Dense(eqx.Module):
    """Encoder: one hidden layer, so that its Jacobian depends on the image."""

    inner: jax.Array
    outer: jax.Array

    def __call__(self, x):
        return jnp.tanh(x.reshape(len(x), -1) @ self.inner) @ self.outer


class Linear(eqx.Module):
    """Decoder."""

    matrix: jax.Array

    def __call__(self, latents):
        return (latents @ self.matrix).reshape(len(latents), *SHAPE)


def model_with(bottleneck, latent_size=LATENT_SIZE):
    rng = np.random.default_rng(1)
    inner, outer, matrix = (
        jnp.asarray(rng.normal(size=size), jnp.result_type(float))
        for size in ((16, 7), (7, latent_size), (latent_size, 16))
    )
    return Autoencoder(Dense(inner, outer), bottleneck, Linear(matrix), SHAPE)


def images(count=6):
    return jnp.asarray(np.random.default_rng(2).normal(size=(count, *SHAPE)), jnp.result_type(float))


def term(loss, name):
    """One term of a loss as a function of the model."""
    return lambda model, x, key=KEY: loss(model, x, key=key)[1][name]


# ---------------------------------------------------------------------------------------------------------- sparse


def naive_sparsity(activations, rho):
    total = 0.0
    for j in range(activations.shape[1]):
        mean = activations[:, j].mean()
        total += rho * np.log(rho / mean) + (1 - rho) * np.log((1 - rho) / (1 - mean))
    return total


class Given(eqx.Module):
    """Encoder: latents that are given, whatever the images."""

    latents: jax.Array

    def __call__(self, x):
        return self.latents


def with_activations(activations):
    logits = jnp.log(activations) - jnp.log1p(-activations)
    return Autoencoder(Given(logits), Sigmoid(), Linear(jnp.ones((logits.shape[1], 16))), SHAPE)


def test_sparsity_is_the_divergence_of_each_unit(x64):
    model, x = model_with(Sigmoid()), images()
    loss = losses.Sparse(0.7, rho=0.2)
    activations = 1 / (1 + np.exp(-np.asarray(model.encoder(x))))
    value, terms = loss(model, x, key=KEY)
    assert terms["sparsity"] == pytest.approx(naive_sparsity(activations, 0.2), rel=1e-10)
    reconstruction = np.sum((activations @ model.decoder.matrix - x.reshape(6, -1)) ** 2) / 6
    assert terms["reconstruction"] == pytest.approx(float(reconstruction), rel=1e-10)
    assert value == pytest.approx(float(reconstruction + 0.7 * terms["sparsity"]), rel=1e-10)


def test_gradient_of_sparsity(x64):
    """For a mean m over B samples: (m - ρ) / (m (1 - m)) · h (1 - h) / B."""
    activations = np.random.default_rng(0).uniform(0.1, 0.9, size=(5, 3))
    gradient = eqx.filter_grad(term(losses.Sparse(1.0, rho=0.3), "sparsity"))(with_activations(activations), images(5))
    mean = activations.mean(axis=0)
    expected = (mean - 0.3) / (mean * (1 - mean)) * activations * (1 - activations) / 5
    np.testing.assert_allclose(gradient.encoder.latents, expected, rtol=1e-10)


def test_units_do_not_make_up_for_each_other():
    """Means 0.001 and 0.099 have the mean 0.05 that costs nothing; each unit for itself is far from it."""
    loss = losses.Sparse(1.0)
    apart = with_activations(jnp.array([[0.001, 0.099]] * 4))
    alike = with_activations(jnp.array([[0.05, 0.05]] * 4))
    assert term(loss, "sparsity")(alike, images(4)) == pytest.approx(0, abs=1e-6)
    assert term(loss, "sparsity")(apart, images(4)) == pytest.approx(
        naive_sparsity(np.array([[0.001, 0.099]]), 0.05), rel=1e-4
    )
    assert term(loss, "sparsity")(apart, images(4)) > 0.1


@pytest.mark.parametrize("latent", [-200.0, 200.0])
def test_units_that_are_all_off_or_all_on_come_back(latent):
    """In float32 these activations are 0 and 1; the divergence and its pull are still finite and right."""
    model = Autoencoder(Given(jnp.full((4, 1), latent)), Sigmoid(), Linear(jnp.ones((1, 16))), SHAPE)
    of = term(losses.Sparse(1.0), "sparsity")
    rho = 0.05 if latent < 0 else 0.95
    entropy = 0.05 * np.log(0.05) + 0.95 * np.log(0.95)
    assert of(model, images(4)) == pytest.approx(entropy + 200 * rho, rel=1e-5)
    gradient = eqx.filter_grad(of)(model, images(4)).encoder.latents
    np.testing.assert_allclose(gradient, np.sign(latent) * rho / 4, rtol=1e-4)


@pytest.mark.parametrize("rho", [0.0, 1.0, -0.1, float("nan")])
def test_rho_that_is_no_activation_is_refused(rho):
    with pytest.raises(ValueError, match=f"rho = {rho}: a mean activation lies between 0 and 1"):
        losses.Sparse(1.0, rho=rho)


def test_sparse_needs_a_sigmoid():
    with pytest.raises(ValueError, match="posterior is a PointMass: use models.sparse_ae"):
        losses.Sparse(1.0)(model_with(Identity()), images(), key=KEY)


# ----------------------------------------------------------------------------------------------------- contractive


def naive_contraction(model, x):
    def latents(image):
        return model.bottleneck.encode(model.encoder(image[None])).mean[0]

    norms = [jnp.sum(jax.jacfwd(latents)(image) ** 2) for image in x]
    return sum(norms) / len(norms)


BOTTLENECKS = {
    "none": Identity(),
    "sigmoid": Sigmoid(),
    "fixed basis": LowRank(FixedBasis(jnp.eye(LATENT_SIZE)[:, :2])),
}


@pytest.mark.parametrize("name", BOTTLENECKS)
def test_contraction_is_the_squared_norm_of_the_jacobian(x64, name):
    model, x = model_with(BOTTLENECKS[name]), images(3)
    loss = losses.Contractive(0.3)
    value, terms = loss(model, x, key=KEY)
    expected, expected_gradient = eqx.filter_value_and_grad(naive_contraction)(model, x)
    assert terms["contraction"] == pytest.approx(float(expected), rel=1e-9)
    assert value == pytest.approx(float(terms["reconstruction"] + 0.3 * expected), rel=1e-9)
    found = eqx.filter_grad(term(loss, "contraction"))(model, x).encoder
    for ours, reference in zip(jax.tree.leaves(found), jax.tree.leaves(expected_gradient.encoder), strict=True):
        np.testing.assert_allclose(ours, reference, atol=1e-8)
        assert np.abs(reference).max() > 1e-3


def test_hutchinsons_estimator_is_unbiased_and_so_is_its_gradient():
    model, x = model_with(Identity()), images(2)
    of = term(losses.Contractive(1.0, num_probes=1), "contraction")
    exact = term(losses.Contractive(1.0), "contraction")

    @jax.jit
    @jax.vmap
    def draws(key):
        value, gradient = eqx.filter_value_and_grad(of)(model, x, key)
        return jnp.concatenate([value[None], gradient.encoder.inner.ravel(), gradient.encoder.outer.ravel()])

    found = np.asarray(draws(jax.random.split(jax.random.key(5), 4000)), float)
    value, gradient = eqx.filter_value_and_grad(exact)(model, x)
    expected = np.concatenate(
        [np.ravel(value), np.ravel(gradient.encoder.inner), np.ravel(gradient.encoder.outer)]
    ).astype(float)
    error = np.abs(found.mean(axis=0) - expected) / (found.std(axis=0) / np.sqrt(len(found)) + 1e-5)
    assert found[:, 0].std() > 0.05 * expected[0]  # it does vary
    assert error.max() < 5


def test_more_probes_vary_less():
    model, x, keys = model_with(Identity()), images(2), jax.random.split(jax.random.key(5), 500)
    spread = [
        jnp.std(jax.jit(jax.vmap(lambda key, of=of: of(model, x, key)))(keys))
        for of in (term(losses.Contractive(1.0, num_probes=n), "contraction") for n in (1, 16))
    ]
    assert spread[1] == pytest.approx(float(spread[0]) / 4, rel=0.2)


def test_contraction_goes_through_the_convolutions(x64):
    """They have gradient rules of their own, which are differentiated once more here."""
    encoder = ConvEncoder((4, 4, 1), 2, key=KEY)

    class Decoder(eqx.Module):
        def __call__(self, latents):
            return jnp.zeros((len(latents), 4, 4, 1)) + jnp.sum(latents)

    x = jax.random.normal(KEY, (2, 4, 4, 1))

    def contraction(weight):
        changed = eqx.tree_at(lambda e: e.convolutions[0].weight, encoder, weight)
        return term(losses.Contractive(1.0), "contraction")(Autoencoder(changed, Identity(), Decoder(), (4, 4, 1)), x)

    weight = encoder.convolutions[0].weight
    value, gradient = jax.jit(jax.value_and_grad(contraction))(weight)
    jacobian = jax.jit(jax.jacrev(lambda image: encoder(image[None])[0]))
    assert value == pytest.approx(np.mean([np.sum(np.asarray(jacobian(image)) ** 2) for image in x]), rel=1e-9)
    direction = jax.random.normal(jax.random.key(1), weight.shape)
    step = 1e-6 * direction  # so small that no ReLU switches, at which the norm jumps
    of = jax.jit(contraction)
    difference = (of(weight + step) - of(weight - step)) / 2e-6
    assert jnp.sum(gradient * direction) == pytest.approx(float(difference), rel=1e-5)


def test_contraction_of_a_batch_svd_is_refused():
    with pytest.raises(ValueError, match="depend on the whole batch.*models.contractive_ae"):
        losses.Contractive(1.0)(model_with(LowRank.of_rank(2)), images(), key=KEY)


@pytest.mark.parametrize("num_probes", [0, -2])
def test_no_probes_are_refused(num_probes):
    with pytest.raises(ValueError, match=f"num_probes = {num_probes}: use 1 or more"):
        losses.Contractive(1.0, num_probes=num_probes)


# ---------------------------------------------------------------------------------------------------- nuclear norm


def test_nuclear_norm_and_its_gradient(x64):
    with linear_nets():
        model = models.lorae(SHAPE, LATENT_SIZE, key=KEY)
    x, loss = images(), losses.NuclearNorm(0.4)
    value, terms = loss(model, x, key=KEY)
    matrix = np.asarray(model.bottleneck.layers[0].weight)
    left, singular_values, right = np.linalg.svd(matrix)
    assert terms["nuclear_norm"] == pytest.approx(singular_values.sum(), rel=1e-10)
    assert terms["reconstruction"] == losses.Reconstruction()(model, x, key=KEY)[0]
    assert value == pytest.approx(float(terms["reconstruction"] + 0.4 * singular_values.sum()), rel=1e-10)
    gradient = eqx.filter_grad(term(loss, "nuclear_norm"))(model, x)
    np.testing.assert_allclose(gradient.bottleneck.layers[0].weight, left @ right, atol=1e-10)
    np.testing.assert_array_equal(gradient.encoder.linear.weight, 0)


def test_nuclear_norm_has_a_finite_gradient_where_singular_values_vanish_or_coincide():
    for matrix in (np.zeros((3, 3)), np.eye(3), np.diag([1.0, 1.0, 0.0])):
        model = model_with(LinearStack(LATENT_SIZE, 1, key=KEY))
        model = eqx.tree_at(lambda m: m.bottleneck.layers[0].weight, model, jnp.asarray(matrix, jnp.float32))
        of = term(losses.NuclearNorm(), "nuclear_norm")
        gradient = eqx.filter_grad(of)(model, images()).bottleneck.layers[0].weight
        assert np.isfinite(gradient).all() and np.linalg.norm(gradient, 2) <= 1 + 1e-5


def test_default_weight_is_that_of_the_paper():
    assert losses.NuclearNorm().weight == pytest.approx(1e-3)


@pytest.mark.parametrize(
    "bottleneck, named",
    [(Identity(), "is a Identity"), (LinearStack(LATENT_SIZE, 2, key=KEY), "is a LinearStack of 2")],
)
def test_nuclear_norm_needs_one_matrix(bottleneck, named):
    with pytest.raises(ValueError, match=f"{named}: use models.lorae"):
        losses.NuclearNorm()(model_with(bottleneck), images(), key=KEY)


def test_nuclear_norm_of_an_infinite_matrix_is_nan_and_not_an_endless_iteration():
    stack = LinearStack(LATENT_SIZE, 1, key=KEY)
    infinite = eqx.tree_at(lambda s: s.layers[0].weight, stack, replace_fn=lambda weight: weight.at[0, 0].set(jnp.inf))
    assert np.isnan(term(losses.NuclearNorm(), "nuclear_norm")(model_with(infinite), images()))


# ------------------------------------------------------------------------------------------------ common to them


CASES = {
    "sparse": (losses.Sparse, Sigmoid(), "sparsity"),
    "contractive": (losses.Contractive, Identity(), "contraction"),
    "nuclear norm": (losses.NuclearNorm, LinearStack(LATENT_SIZE, 1, key=KEY), "nuclear_norm"),
}


@pytest.mark.parametrize("name", CASES)
def test_papers_convention_has_their_reconstruction_and_sums_what_is_of_single_samples(name):
    make, bottleneck, penalty = CASES[name]
    model, x = model_with(bottleneck), images()
    ours, papers = make(0.5), make(0.5, reconstruction=losses.PaperReconstruction())
    value, terms = papers(model, x, key=KEY)
    assert terms["reconstruction"] == pytest.approx(float(losses.PaperReconstruction()(model, x, key=KEY)[0]), rel=1e-5)
    expected = ours(model, x, key=KEY)[1][penalty] * (len(x) if name == "contractive" else 1)
    assert terms[penalty] == pytest.approx(float(expected), rel=1e-5)
    assert value == pytest.approx(float(terms["reconstruction"] + 0.5 * terms[penalty]), rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_another_weight_does_not_compile_again(name):
    make, bottleneck, _ = CASES[name]
    traces, model, x = [], model_with(bottleneck), images()

    @eqx.filter_jit
    def value(loss, model):
        traces.append(loss)
        return loss(model, x, key=KEY)[0]

    values = [float(value(make(weight), model)) for weight in (0, 1e-1, 2.0)]
    assert len(traces) == 1 and values == sorted(set(values))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_weight_that_is_none_is_refused(name, weight):
    with pytest.raises(ValueError, match=f"= {weight}: .* finite number, 0 or more"):
        CASES[name][0](weight)


@pytest.mark.parametrize("name", CASES)
def test_they_are_losses(name):
    assert isinstance(CASES[name][0](1.0), losses.Loss)
