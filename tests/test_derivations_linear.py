"""Claims 7, 8, 9, 30, 31 and 37: their verdicts stand, and mistakes in what they rest on do not pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from derivations import (
    failing,
    kl_without_half,
    kl_without_the_mean,
    sampling_without_noise,
    svd_in_rising_order,
    svd_without_the_first_direction,
)

from vrrae_lab import losses
from vrrae_lab.derivations import gauge, linear, linear_model, noise, trained

pytestmark = pytest.mark.usefixtures("quick_compilation")

CLAIMS = {claim.number: claim for claim in linear.CLAIMS + gauge.CLAIMS + noise.CLAIMS + trained.CLAIMS}
SLOW = {7, 30, 31}


def noise_left_out(patch):
    patch.setattr(linear_model, "noise_energy", lambda log_variance, directions: 0 * jnp.sum(log_variance))


def noise_not_rescaled(patch):
    rescaled = gauge.rescaled

    def without(model, on_latents, undone, scales):
        g = model.bottleneck.log_variance_layer
        changed = rescaled(model, on_latents, undone, scales)
        return gauge.eqx.tree_at(lambda m: m.bottleneck.log_variance_layer.bias, changed, g.bias)

    patch.setattr(gauge, "rescaled", without)


def beta_doubled(patch):
    call = losses.Variational.__call__

    def doubled(self, model, batch, *, key):
        value, terms = call(self, model, batch, key=key)
        return value + self.beta * terms["kl"], terms

    patch.setattr(losses.Variational, "__call__", doubled)


def f_never_trained(patch):
    untrained = trained.untrained
    patch.setattr(trained, "untrained", lambda key, trains_f: untrained(key, False))
    train = trained.train
    patch.setattr(trained, "train", lambda models, trains_f, x, key: train(models, [False] * len(models), x, key))


def bias_left_behind(patch):
    """The mean layer is taken up without its bias."""
    absorbed = gauge.absorbed

    def without(vae):
        bias = jnp.zeros_like(vae.bottleneck.mean_layer.bias)
        return absorbed(gauge.eqx.tree_at(lambda m: m.bottleneck.mean_layer.bias, vae, bias))

    patch.setattr(gauge, "absorbed", without)


def log_variance_as_it_was(patch):
    """Of y still, though that is the mean now."""
    absorbed = gauge.absorbed

    def without(vae):
        return gauge.eqx.tree_at(
            lambda m: m.bottleneck.log_variance_layer, absorbed(vae), vae.bottleneck.log_variance_layer
        )

    patch.setattr(gauge, "absorbed", without)


MUTATIONS = [
    (7, "KL divergence without its half", kl_without_half),
    (7, "noise left out of the expected loss", noise_left_out),
    (8, "KL divergence without its half", kl_without_half),
    (8, "beta doubled in the loss", beta_doubled),
    (8, "noise not rescaled with the latents", noise_not_rescaled),
    (9, "KL divergence without the mean's square", kl_without_the_mean),
    (9, "noise left out of the expected loss", noise_left_out),
    (9, "singular values in rising order", svd_in_rising_order),
    (30, "noise left out of the expected loss", noise_left_out),
    (30, "noise left out of the sampled loss", sampling_without_noise),
    (37, "mean layer taken up without its bias", bias_left_behind),
    (37, "log variance as it was", log_variance_as_it_was),
    (31, "f never trained", f_never_trained),
    (31, "first direction left out of the batch's basis", svd_without_the_first_direction),
]


@pytest.fixture
def shorter(monkeypatch):
    """Train claim 31's models for as long as its verdict needs, not as long as its figures deserve."""
    monkeypatch.setattr(trained, "STEPS", 150)
    monkeypatch.setattr(trained, "SEEDS", 1)


@pytest.mark.parametrize("number, seed", [(n, seed) for n in CLAIMS for seed in range(1 if n in SLOW else 2)])
def test_evidence_supports_the_verdict(number, seed, shorter):
    evidence = CLAIMS[number].check(jax.random.key(seed))
    assert evidence.supports_verdict, failing(evidence)


@pytest.mark.parametrize("number, mistake, make", MUTATIONS, ids=[f"{m[0]}: {m[1]}" for m in MUTATIONS])
def test_a_mistake_is_found(number, mistake, make, shorter, monkeypatch):
    make(monkeypatch)
    assert not CLAIMS[number].check(jax.random.key(0)).supports_verdict, f"claim {number} holds with {mistake}"


def test_every_claim_has_a_mistake_that_it_finds():
    assert {number for number, _, _ in MUTATIONS} == set(CLAIMS)


def test_expected_loss_is_that_of_its_formula(x64):
    random = np.random.default_rng(0)
    x, _, _ = linear_model.random_data(random, ratio=2)
    model = linear_model.random_start(random, linear_model.LATENT_SIZE, 2)._replace(
        log_variance=jnp.array([-1.0, -0.3])
    )
    left, sigma, right = np.linalg.svd(x @ np.asarray(model.encoder))
    alpha, variances = left[:, :2] * sigma[:2], np.exp([-1.0, -0.3])
    images = right[:2] @ np.asarray(model.decoder)
    expected = (
        ((alpha @ images - x) ** 2).sum() / len(x)
        + (variances * (images**2).sum(axis=1)).sum()
        + 0.35 * (sigma[:2] ** 2 / len(x) + variances - 1 - np.log(variances)).sum()
    )
    value = linear_model.expected_loss(model, jnp.asarray(x), 0.7, linear_model.first_directions(2))
    np.testing.assert_allclose(value, expected, rtol=1e-12)
