"""Losses, worked out by hand on tiny models."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import losses
from vrrae_lab.bottlenecks import Draw, Identity
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder

pytestmark = pytest.mark.usefixtures("quick_compilation")

SHAPE = (2, 2, 1)


class Flatten(eqx.Module):
    def __call__(self, x):
        return x.reshape(len(x), -1)


class Scale(eqx.Module):
    """Decoder: the latents, times a trained number."""

    factor: jax.Array

    def __call__(self, latents):
        return (self.factor * latents).reshape(len(latents), *SHAPE)


class Noiseless(eqx.Module):
    """A Gaussian posterior whose mean is sent on without noise, so that everything can be worked out by hand."""

    log_variance: jax.Array

    def posterior(self, latents):
        return DiagonalGaussian(latents, jnp.broadcast_to(self.log_variance, latents.shape))

    def __call__(self, latents, *, key):
        return Draw(self.posterior(latents), latents)

    def encode(self, latents):
        return self.posterior(latents)

    def decode(self, z):
        return z


def deterministic(factor):
    return Autoencoder(Flatten(), Identity(), Scale(jnp.float32(factor)), SHAPE)


def variational(factor, log_variance=0.0):
    return Autoencoder(Flatten(), Noiseless(jnp.float32(log_variance)), Scale(jnp.float32(factor)), SHAPE)


# squares: 1 + 4 + 4 + 16 = 25 and 0 + 0 + 9 + 2 = 11 with sum 36 = 6²
X = jnp.array([[1.0, 2.0, -2.0, 4.0], [0.0, 0.0, 3.0, 2.0**0.5]]).reshape(2, *SHAPE)


def evaluate(loss, model, x=X):
    value, terms = loss(model, x, key=jax.random.key(0))
    return float(value), {name: float(term) for name, term in terms.items()}


def gradient(loss, model, x=X):
    """With respect to the factor of the decoder."""
    return float(eqx.filter_grad(lambda m: loss(m, x, key=jax.random.key(0))[0])(model).decoder.factor)


# ------------------------------------------------------------------------------------------------- values by hand


def test_reconstruction_is_summed_over_features_and_averaged_over_the_batch():
    value, terms = evaluate(losses.Reconstruction(), deterministic(0.5))
    assert value == pytest.approx(0.5**2 * 36 / 2)
    assert terms == {"reconstruction": value}


def test_variational_adds_beta_times_the_kl_of_a_sample():
    log_variance = np.log(4.0)
    value, terms = evaluate(losses.Variational(0.3), variational(0.5, log_variance))
    kl = (36 + 8 * (4 - 1 - log_variance)) / 2 / 2
    assert set(terms) == {"reconstruction", "kl"}
    assert terms["reconstruction"] == pytest.approx(4.5) and terms["kl"] == pytest.approx(kl)
    assert value == pytest.approx(4.5 + 0.3 * kl)


def test_paper_reconstruction_is_a_relative_norm_in_percent():
    value, terms = evaluate(losses.PaperReconstruction(), deterministic(0.75))
    assert value == pytest.approx(25) and terms == {"reconstruction": value}
    # of the images themselves, not of their difference from a mean
    assert evaluate(losses.PaperReconstruction(), deterministic(0.0))[0] == pytest.approx(100)


def test_paper_variational_adds_beta_times_the_kl_of_the_batch():
    log_variance = np.log(4.0)
    value, terms = evaluate(losses.PaperVariational(0.3), variational(0.75, log_variance))
    kl = (36 + 8 * (4 - 1 - log_variance)) / 2
    assert terms["reconstruction"] == pytest.approx(25) and terms["kl"] == pytest.approx(kl)
    assert value == pytest.approx(25 + 0.3 * kl)


@pytest.mark.parametrize(
    "weighted, plain",
    [(losses.Variational, losses.Reconstruction), (losses.PaperVariational, losses.PaperReconstruction)],
)
def test_beta_of_zero_leaves_the_reconstruction(weighted, plain):
    model = variational(0.5, 1.0)
    assert evaluate(weighted(0.0), model)[0] == evaluate(plain(), model)[0]
    assert gradient(weighted(0.0), model) == gradient(plain(), model)


def test_only_the_papers_kl_grows_with_the_batch():
    model, twice = variational(0.5), jnp.concatenate([X, X])
    ours, papers = losses.Variational(1.0), losses.PaperVariational(1.0)
    assert evaluate(ours, model, twice)[1]["kl"] == pytest.approx(evaluate(ours, model)[1]["kl"])
    assert evaluate(papers, model, twice)[1]["kl"] == pytest.approx(2 * evaluate(papers, model)[1]["kl"])
    for loss in (ours, papers):
        reconstruction = evaluate(loss, model, twice)[1]["reconstruction"]
        assert reconstruction == pytest.approx(evaluate(loss, model)[1]["reconstruction"])


def test_kl_reaches_the_log_variance_and_the_mean():
    """The gradient of the KL divergence is (s² - 1)/2 with respect to log s², and the mean itself."""
    model = variational(0.0, np.log(3.0))

    @eqx.filter_grad
    def gradients(both):
        model, x = both
        return losses.Variational(2.0)(model, x, key=jax.random.key(0))[1]["kl"]

    of_model, of_x = gradients((model, X))
    assert of_model.bottleneck.log_variance == pytest.approx(8 * (3 - 1) / 2 / 2)
    np.testing.assert_allclose(of_x, X / 2, rtol=1e-6)


def test_noise_comes_from_the_key(getkey):
    class Noisy(Noiseless):
        def __call__(self, latents, *, key):
            return Draw(self.posterior(latents), self.posterior(latents).sample(key=key))

    model = Autoencoder(Flatten(), Noisy(jnp.float32(0)), Scale(jnp.float32(1)), SHAPE)
    for loss in (losses.Reconstruction(), losses.Variational(1.0), losses.PaperVariational(1.0)):
        key = getkey()
        assert loss(model, X, key=key)[0] == loss(model, X, key=key)[0] != loss(model, X, key=getkey())[0]


# ------------------------------------------------------------------------------------ from one convention to the other


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.2])
def test_papers_gradient_is_that_of_the_squared_error_over_its_root(factor):
    residual, norm = abs(1 - factor) * 6, 6
    ours = gradient(losses.Reconstruction(), deterministic(factor)) * len(X)
    papers = gradient(losses.PaperReconstruction(), deterministic(factor))
    assert papers == pytest.approx(50 / (residual * norm) * ours, rel=1e-5)


def test_papers_beta_is_converted_as_documented():
    """The two gradients have one direction: the same ratio for every parameter."""
    beta, factor = 0.02, 0.6
    model, residual, norm = variational(factor, 1.0), (1 - factor) * 6, 6

    def gradients(loss):
        of_model = eqx.filter_grad(lambda model: loss(model, X, key=jax.random.key(0))[0])(model)
        return np.array([of_model.decoder.factor, of_model.bottleneck.log_variance])

    ours = gradients(losses.Variational(beta * residual * norm / 50))
    papers = gradients(losses.PaperVariational(beta))
    np.testing.assert_allclose(papers / ours, 50 * len(X) / (residual * norm), rtol=1e-5)


# ----------------------------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize("loss", [losses.PaperReconstruction(), losses.PaperVariational(1.0), losses.Reconstruction()])
def test_gradient_is_finite_at_a_perfect_reconstruction(loss):
    model = variational(1.0)
    assert evaluate(loss, model)[1]["reconstruction"] == 0
    assert gradient(loss, model) == 0


@pytest.mark.parametrize("loss", [losses.Variational, losses.PaperVariational])
@pytest.mark.parametrize("beta", [-1e-9, -1, float("nan"), float("inf")])
def test_beta_that_is_no_weight_is_refused(loss, beta):
    with pytest.raises(ValueError, match=f"beta = {beta}: .* finite number, 0 or more"):
        loss(beta)


@pytest.mark.parametrize("loss", [losses.Variational(1.0), losses.PaperVariational(1.0)])
def test_kl_of_a_deterministic_model_is_refused(loss):
    with pytest.raises(ValueError, match="posterior is a PointMass: use losses.Reconstruction"):
        evaluate(loss, deterministic(0.5))


@pytest.mark.parametrize("loss", [losses.Variational, losses.PaperVariational])
def test_another_beta_does_not_compile_again(loss):
    traces, model = [], variational(0.5)

    @eqx.filter_jit
    def value(loss, model, x):
        traces.append(loss)
        return loss(model, x, key=jax.random.key(0))[0]

    values = [float(value(loss(beta), model, X)) for beta in (0, 1e-3, 2.0, jnp.float32(4.0))]
    assert len(traces) == 1
    assert values == sorted(set(values))


@pytest.mark.parametrize("loss", [losses.Variational, losses.PaperVariational])
def test_beta_may_be_made_inside_a_compiled_function(loss):
    model = variational(0.5)
    inside = eqx.filter_jit(lambda beta: loss(beta)(model, X, key=jax.random.key(0))[0])(jnp.float32(0.3))
    assert inside == pytest.approx(evaluate(loss(0.3), model)[0])


@pytest.mark.parametrize("loss", [losses.Reconstruction(), losses.Variational(1.0)])
def test_losses_are_losses(loss):
    assert isinstance(loss, losses.Loss)
