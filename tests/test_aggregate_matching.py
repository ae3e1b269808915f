"""The loss of AVAE: its formula, no gradient into the centres, and codes drawn to the spread it is made for."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats
from support import linear_nets

from vrrae_lab import fit, freeze_basis, losses, models
from vrrae_lab.losses import AggregateMatching

KEY = jax.random.key(3)
X = np.random.default_rng(0).normal(size=(40, 4, 4, 1)).astype(np.float32)


def made(name, **sizes):
    with linear_nets():
        return models.build(name, {"shape": (4, 4, 1), **sizes}, key=jax.random.key(1))


@pytest.fixture(scope="module")
def avae():
    return made("avae", latent_size=3)


def naive(z, centres, variances):
    """Mean of log q - log p; q is the average of a Gaussian on each centre."""
    total = 0.0
    for query in z:
        parts = [
            stats.multivariate_normal(mean, np.diag(var)).pdf(query)
            for mean, var in zip(centres, variances, strict=True)
        ]
        total += np.log(np.mean(parts)) - stats.multivariate_normal(np.zeros(len(query)), np.eye(len(query))).logpdf(
            query
        )
    return total / len(z)


def test_value_is_the_formula_for_a_deterministic_encoder(avae):
    value, terms = AggregateMatching(0.7, 0.4, 30)(avae, jnp.asarray(X), key=KEY)
    z = np.asarray(avae.encode(X).mean, float)
    kl = naive(z[:10], z[10:], np.full((30, 3), 0.4**2))
    error = np.sum((np.asarray(avae.reconstruct(X[:10])) - X[:10]) ** 2) / 10
    assert float(terms["aggregate_kl"]) == pytest.approx(kl, rel=1e-4)
    assert float(terms["reconstruction"]) == pytest.approx(error, rel=1e-5)
    assert float(value) == pytest.approx(error + 0.7 * kl, rel=1e-4)


def test_an_encoder_of_gaussians_is_its_own_density():
    vae = made("vae", latent_size=3)
    _, terms = AggregateMatching(1.0, 123.0, 30)(vae, jnp.asarray(X), key=KEY)
    queries, centres = vae.encode(X[:10]), vae.encode(X[10:])
    z = np.asarray(queries.sample(key=jax.random.fold_in(KEY, 1)), float)
    wanted = naive(z, np.asarray(centres.mean, float), np.exp(np.asarray(centres.log_variance, float)))
    assert float(terms["aggregate_kl"]) == pytest.approx(wanted, rel=1e-4)


def test_papers_convention_sums_over_the_batch(avae):
    _, ours = AggregateMatching(1.0, 0.4, 30)(avae, jnp.asarray(X), key=KEY)
    _, paper = AggregateMatching(1.0, 0.4, 30, losses.PaperReconstruction())(avae, jnp.asarray(X), key=KEY)
    assert float(paper["aggregate_kl"]) == pytest.approx(10 * float(ours["aggregate_kl"]), rel=1e-5)


def test_no_gradient_flows_into_the_centres(avae):
    """The gradient is that with the centres' codes as constants, and not the one without the stop."""
    batch = jnp.asarray(X)
    fixed = avae.encode(batch[10:]).mean

    def divergence(model, centres):
        z = model.encode(batch[:10]).mean
        squares = jnp.sum((z[:, None] - centres[None]) ** 2, axis=2)
        log_q = jax.nn.logsumexp(-squares / (2 * 0.4**2), axis=1)
        return jnp.mean(log_q + 0.5 * jnp.sum(z**2, axis=1))

    def gradient(function):
        return eqx.filter_grad(function)(avae).encoder.linear.weight

    found = gradient(lambda model: AggregateMatching(1.0, 0.4, 30)(model, batch, key=KEY)[1]["aggregate_kl"])
    held, free = (
        gradient(lambda model: divergence(model, fixed)),
        gradient(lambda model: divergence(model, model.encode(batch[10:]).mean)),
    )
    np.testing.assert_allclose(found, held, rtol=1e-3, atol=1e-5)
    assert not np.allclose(found, free, rtol=1e-2, atol=1e-3)


def test_codes_are_drawn_to_the_spread_that_kernels_fill_up():
    """Variance 1 - h² = 0.64 in every direction at h = 0.6, whatever the scale of the data (claim 21)."""
    rng = np.random.default_rng(1)
    scales = np.array([3.0, 1.0, 0.2])[:, None] * np.linalg.qr(rng.normal(size=(16, 3)))[0].T
    x = (rng.normal(size=(4000, 3)) @ scales).reshape(-1, 4, 4, 1).astype(np.float32)
    with linear_nets():
        model = models.avae((4, 4, 1), 2, key=jax.random.key(1))
    model, _ = fit(
        model,
        x,
        loss=AggregateMatching(1e3, 0.6, 1500),
        optimizer=optax.adam(optax.cosine_decay_schedule(0.03, 400)),
        batch_size=2000,
        num_steps=400,
        key=KEY,
        progress=False,
    )
    covariance = np.cov(np.asarray(model.encode(x).mean).T)
    np.testing.assert_allclose(covariance, 0.64 * np.eye(2), atol=0.06)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1.0, 0.5, 10), "beta = -1.0"),
        ((np.nan, 0.5, 10), "beta = nan"),
        ((1.0, 0.0, 10), "bandwidth = 0"),
        ((1.0, -0.5, 10), "bandwidth = -0.5"),
        ((1.0, np.inf, 10), "bandwidth = inf"),
        ((1.0, 0.5, 0), "num_centres = 0: use 1 or more"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AggregateMatching(*arguments)


def test_batch_of_centres_only_is_refused(avae):
    with pytest.raises(ValueError, match="batch of 40 images has none left beside num_centres = 40"):
        AggregateMatching(1.0, 0.5, 40)(avae, jnp.asarray(X), key=KEY)


def test_model_with_a_frame_for_each_batch_is_refused_until_frozen():
    model = made("vrrae", latent_size=6, rank=3)
    loss = AggregateMatching(1.0, 0.5, 30)
    with pytest.raises(ValueError, match="call freeze_basis"):
        loss(model, jnp.asarray(X), key=KEY)
    value, _ = loss(freeze_basis(model, X), jnp.asarray(X), key=KEY)
    assert np.isfinite(value)
