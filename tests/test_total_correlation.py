"""The three parts of the KL divergence, against integrals over the aggregate posterior of a small data set."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import losses
from vrrae_lab.bottlenecks import Identity, Variational
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.losses.total_correlation import decompose
from vrrae_lab.models import Autoencoder

pytestmark = pytest.mark.usefixtures("quick_compilation")

KEY = jax.random.key(0)
SIZE, RANK = 4, 2
MEAN = np.array([[1.0, 1.2], [-0.8, -1.0], [0.2, 0.5], [0.9, -0.3]])
LOG_VARIANCE = np.log(np.array([[0.2, 0.3], [0.4, 0.15], [0.5, 0.6], [0.3, 0.9]]))


def posterior(mean=MEAN, log_variance=LOG_VARIANCE):
    return DiagonalGaussian(jnp.asarray(mean, float), jnp.asarray(log_variance, float))


def density(z, mean, log_variance):
    return np.exp(-0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance + np.log(2 * np.pi)))


def exact_parts():
    """Mutual information, total correlation, dimension-wise KL divergence, by sums over a fine grid."""
    axis = np.linspace(-8, 8, 1601)
    width = axis[1] - axis[0]
    each = np.array([[density(axis, MEAN[n, j], LOG_VARIANCE[n, j]) for j in range(RANK)] for n in range(SIZE)])
    joint = np.einsum("na,nb->ab", each[:, 0], each[:, 1]) / SIZE
    marginals = each.mean(axis=0)
    prior = density(axis, 0.0, 0.0)

    def integral(p, log_ratio, volume):
        return np.sum(np.where(p > 0, p * log_ratio, 0)) * volume

    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = integral(joint, np.log(joint / np.outer(*marginals)), width**2)
        divergence = sum(integral(marginals[j], np.log(marginals[j] / prior), width) for j in range(RANK))
    entropy = 0.5 * np.sum(np.log(2 * np.pi * np.e) + LOG_VARIANCE, axis=1).mean()  # of z given n
    with np.errstate(divide="ignore", invalid="ignore"):
        information = -integral(joint, np.log(joint), width**2) - entropy
    return np.array([information, correlation, divergence])


@pytest.fixture(scope="module")
def exact():
    return exact_parts()


def test_the_reference_sums_to_the_kl_divergence(exact):
    kl = 0.5 * (MEAN**2 + np.exp(LOG_VARIANCE) - 1 - LOG_VARIANCE)
    assert exact.sum() == pytest.approx(kl.sum(axis=1).mean(), abs=1e-6)
    assert exact.min() > 0.1


def many_estimates(weights, count=20_000):
    """Of the three parts, each from one sample of each posterior: (count, 3)."""
    weights = jnp.asarray(weights)

    @jax.jit
    @jax.vmap
    def estimate(key):
        q = posterior()
        return jnp.stack([jnp.mean(part) for part in decompose(q, q.sample(key=key), weights)])

    return np.asarray(estimate(jax.random.split(KEY, count)), float)


# What the docstring of MinibatchWeighted says of its bias on the whole data set
BIAS = np.log(SIZE) * np.array([1, RANK - 1, -RANK])


@pytest.mark.parametrize("estimator, bias", [(losses.MinibatchStratified, 0 * BIAS), (losses.MinibatchWeighted, BIAS)])
def test_whole_data_set_as_one_batch(exact, estimator, bias):
    found = many_estimates(estimator(SIZE).weights(SIZE))
    error = np.abs(found.mean(axis=0) - (exact + bias)) / (found.std(axis=0) / np.sqrt(len(found)))
    assert error.max() < 4
    assert found.std(axis=0).max() < 2  # so that the bias is far outside of the error


@pytest.mark.parametrize("batch_size", [2, 4])
def test_stratified_estimate_of_the_density_is_unbiased_in_smaller_batches(batch_size):
    """Over all batches with the image whose sample it is."""
    rng = np.random.default_rng(0)
    mean, log_variance = rng.normal(size=(6, RANK)), rng.normal(size=(6, RANK))
    z = np.array([0.3, -0.2])
    weights = losses.MinibatchStratified(6).weights(batch_size)
    estimates = []
    information_of = jax.jit(lambda q: decompose(q, jnp.broadcast_to(jnp.asarray(z, float), q.mean.shape), weights)[0])
    for others in itertools.combinations(range(1, 6), batch_size - 1):
        members = [0, *others]
        information = information_of(posterior(mean[members], log_variance[members]))
        log_q = np.sum(np.log(density(z, mean[0], log_variance[0]))) - information[0]
        estimates.append(np.exp(log_q))
    expected = np.mean([np.prod(density(z, m, s)) for m, s in zip(mean, log_variance, strict=True)])
    assert np.mean(estimates) == pytest.approx(expected, rel=1e-4)
    assert np.std(estimates) > 0.1 * expected


@pytest.mark.parametrize("estimator", [losses.MinibatchStratified(40), losses.MinibatchWeighted(40)])
def test_parts_sum_to_the_kl_of_the_sample_whatever_the_weights(x64, estimator):
    q = posterior()
    z = q.sample(key=KEY)
    parts = decompose(q, z, estimator.weights(SIZE))
    prior = DiagonalGaussian(jnp.zeros_like(z), jnp.zeros_like(z))
    np.testing.assert_allclose(sum(parts), q.log_density(z) - prior.log_density(z), rtol=1e-10)


def naive_parts(mean, log_variance, z):
    """In loops, from the definition, for the whole data set as one batch."""
    information = correlation = divergence = 0.0

    def log_density(z, mean, log_variance):
        return -0.5 * ((z - mean) ** 2 / jnp.exp(log_variance) + log_variance + np.log(2 * np.pi))

    for b in range(SIZE):
        logs = [[log_density(z[b, j], mean[m, j], log_variance[m, j]) for j in range(RANK)] for m in range(SIZE)]
        log_q = jnp.log(sum(jnp.exp(sum(row)) for row in logs) / SIZE)
        log_q_each = [jnp.log(sum(jnp.exp(logs[m][j]) for m in range(SIZE)) / SIZE) for j in range(RANK)]
        information += sum(logs[b]) - log_q
        correlation += log_q - sum(log_q_each)
        divergence += sum(log_q_each) + sum(0.5 * (z[b, j] ** 2 + np.log(2 * np.pi)) for j in range(RANK))
    return information / SIZE, correlation / SIZE, divergence / SIZE


@pytest.mark.parametrize("estimator", [losses.MinibatchStratified(SIZE), losses.MinibatchWeighted(SIZE)])
def test_gradients_of_the_parts(x64, estimator):
    """Of the whole data set as one batch, where the bias of the weighted estimator is a constant."""
    noise = jnp.asarray(np.random.default_rng(1).normal(size=MEAN.shape))

    @jax.jit
    def ours(mean, log_variance):
        z = mean + jnp.exp(0.5 * log_variance) * noise
        parts = decompose(DiagonalGaussian(mean, log_variance), z, estimator.weights(SIZE))
        return jnp.stack([jnp.mean(part) for part in parts])

    @jax.jit
    def naive(mean, log_variance):
        return jnp.stack(naive_parts(mean, log_variance, mean + jnp.exp(0.5 * log_variance) * noise))

    arguments = jnp.asarray(MEAN), jnp.asarray(LOG_VARIANCE)
    for found, expected in zip(*(jax.jacrev(f, (0, 1))(*arguments) for f in (ours, naive)), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-10)
        assert np.abs(expected).max() > 0.05
    if isinstance(estimator, losses.MinibatchStratified):
        np.testing.assert_allclose(ours(*arguments), naive(*arguments), rtol=1e-10)


# -------------------------------------------------------------------------------------------------------- the loss


class Flatten(eqx.Module):
    def __call__(self, x):
        return x.reshape(len(x), -1)


class Unflatten(eqx.Module):
    def __call__(self, latents):
        return latents.reshape(len(latents), 2, 2, 1)


def model(bottleneck=None):
    bottleneck = Variational(4, key=jax.random.key(3)) if bottleneck is None else bottleneck
    return Autoencoder(Flatten(), bottleneck, Unflatten(), (2, 2, 1))


X = jax.random.normal(jax.random.key(1), (5, 2, 2, 1))
STRATIFIED = losses.MinibatchStratified(20)


def test_loss_weighs_the_parts_of_the_sample_that_is_decoded():
    m, loss = model(), losses.TotalCorrelation(3.0, STRATIFIED, alpha=0.5, gamma=2.0)
    value, terms = loss(m, X, key=KEY)
    draw = m.bottleneck(Flatten()(X), key=KEY)
    parts = [jnp.mean(p) for p in decompose(draw.posterior, draw.latents, STRATIFIED.weights(5))]
    names = ["mutual_information", "total_correlation", "dimension_wise_kl"]
    assert list(terms) == ["reconstruction", *names]
    np.testing.assert_allclose([terms[name] for name in names], parts, rtol=1e-5)
    assert terms["reconstruction"] == losses.Reconstruction()(m, X, key=KEY)[0]
    expected = terms["reconstruction"] + 0.5 * parts[0] + 3.0 * parts[1] + 2.0 * parts[2]
    assert value == pytest.approx(float(expected), rel=1e-5)
    assert len({round(float(part), 3) for part in parts}) == 3


def test_equal_weights_make_it_the_variational_loss_on_average():
    m, loss = model(), losses.TotalCorrelation(0.7, STRATIFIED, alpha=0.7, gamma=0.7)
    keys = jax.random.split(KEY, 4000)
    penalties = jax.jit(
        jax.vmap(lambda key: sum(value for name, value in loss(m, X, key=key)[1].items() if name != "reconstruction"))
    )(keys)
    kl = losses.Variational(0.7)(m, X, key=KEY)[1]["kl"]
    assert abs(jnp.mean(penalties) - kl) < 4 * jnp.std(penalties) / np.sqrt(len(keys))


def test_papers_convention_sums_over_the_batch():
    ours, papers = (losses.TotalCorrelation(2.0, STRATIFIED, reconstruction=r()) for r in CONVENTIONS)
    (_, mean), (_, total) = (loss(model(), X, key=KEY) for loss in (ours, papers))
    assert total["reconstruction"] == losses.PaperReconstruction()(model(), X, key=KEY)[0]
    for name in ("mutual_information", "total_correlation", "dimension_wise_kl"):
        assert total[name] == pytest.approx(5 * float(mean[name]), rel=1e-5)


CONVENTIONS = losses.Reconstruction, losses.PaperReconstruction


def test_other_weights_do_not_compile_again():
    traces, m = [], model()

    @eqx.filter_jit
    def value(loss):
        traces.append(loss)
        return loss(m, X, key=KEY)[0]

    values = {float(value(losses.TotalCorrelation(b, STRATIFIED, alpha=a))) for a, b in ((0, 1), (1, 1), (1, 6.0))}
    assert len(traces) == 1 and len(values) == 3


def test_deterministic_model_is_refused():
    with pytest.raises(ValueError, match="posterior is a PointMass: use losses.Reconstruction"):
        losses.TotalCorrelation(1.0, STRATIFIED)(model(Identity()), X, key=KEY)


@pytest.mark.parametrize("estimator", [losses.MinibatchStratified(4), losses.MinibatchWeighted(4)])
def test_batch_larger_than_the_data_set_is_refused(estimator):
    with pytest.raises(ValueError, match="num_images = 4, but a batch has 5"):
        losses.TotalCorrelation(1.0, estimator)(model(), X, key=KEY)


def test_stratified_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="a batch of 1 says nothing"):
        losses.TotalCorrelation(1.0, STRATIFIED)(model(), X[:1], key=KEY)


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
def test_weight_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} = -1.0: .* finite number, 0 or more"):
        losses.TotalCorrelation(**({"beta": 1.0, "estimator": STRATIFIED} | {name: -1.0}))
