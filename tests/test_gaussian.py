"""Diagonal Gaussians: density, sampling, and the two forms of the KL divergence to the prior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from vrrae_lab.gaussian import DiagonalGaussian, PointMass, Posterior, kl_from_singular_values
from vrrae_lab.linalg import truncated_svd

pytestmark = pytest.mark.usefixtures("quick_compilation")


def naive_kl(mean, log_variance):
    """KL divergence of a one-dimensional Gaussian to N(0, 1) by quadrature of its definition."""
    q, p = stats.norm(mean, np.exp(log_variance / 2)), stats.norm()
    low, high = q.mean() - 12 * q.std(), q.mean() + 12 * q.std()
    return integrate.quad(lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z)), low, high, points=[mean])[0]


def gaussian(mean, log_variance):
    return DiagonalGaussian(jnp.asarray(mean), jnp.asarray(log_variance))


def test_kl_is_the_integral_of_its_definition(x64):
    mean = np.array([[0.0, 0.3, -2.0], [1.5, -0.1, 4.0]])
    log_variance = np.array([[0.0, -3.0, 1.0], [0.5, 2.0, -6.0]])
    np.testing.assert_allclose(gaussian(mean, log_variance).kl(), np.vectorize(naive_kl)(mean, log_variance), rtol=1e-7)


def test_kl_of_the_prior_is_exactly_zero():
    np.testing.assert_array_equal(gaussian(np.zeros((2, 3)), np.zeros((2, 3))).kl(), 0)


def test_kl_keeps_its_precision_near_the_prior():
    """exp(t) - 1 - t, of second order in t, is lost to rounding where it is computed as written."""
    t = np.float32([[1e-2, -1e-2, 1e-3]])
    exact = (np.expm1(t.astype(np.float64)) - t) / 2
    np.testing.assert_allclose(gaussian(np.zeros_like(t), t).kl(), exact, rtol=5e-4)
    as_written = (np.exp(t) - 1 - t) / 2
    assert np.max(np.abs(as_written / exact - 1)) > 0.01


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_kl_is_never_negative(mean, log_variance):
    assert gaussian(np.float32([[mean]]), np.float32([[log_variance]])).kl() >= 0


def test_log_density_is_that_of_scipy(x64):
    rng = np.random.default_rng(0)
    mean, log_variance, z = rng.normal(size=(3, 4, 2))
    expected = stats.norm(mean, np.exp(log_variance / 2)).logpdf(z).sum(axis=1)
    np.testing.assert_allclose(gaussian(mean, log_variance).log_density(jnp.asarray(z)), expected, rtol=1e-13)


def test_kl_is_the_mean_log_ratio_of_samples(getkey):
    """Density, sampling and KL divergence belong to one distribution."""
    count = 20_000
    posterior = gaussian(np.full((count, 1), 0.7, np.float32), np.full((count, 1), -1.0, np.float32))
    prior = gaussian(np.zeros((count, 1), np.float32), np.zeros((count, 1), np.float32))
    z = posterior.sample(key=getkey())
    ratio = np.asarray(posterior.log_density(z) - prior.log_density(z))
    assert abs(ratio.mean() - posterior.kl()[0, 0]) < 5 * ratio.std() / np.sqrt(count)


def test_samples_have_the_stated_moments(getkey):
    count = 20_000
    mean, log_variance = np.float32([0.5, -2.0, 0.0]), np.float32([0.0, 2.0, -4.0])
    posterior = gaussian(np.tile(mean, (count, 1)), np.tile(log_variance, (count, 1)))
    z, deviation = np.asarray(posterior.sample(key=getkey())), np.exp(log_variance / 2)
    np.testing.assert_allclose(posterior.standard_deviation[0], deviation, rtol=1e-6)
    assert np.all(np.abs(z.mean(axis=0) - mean) < 5 * deviation / np.sqrt(count))
    np.testing.assert_allclose(z.std(axis=0), deviation, rtol=5 / np.sqrt(2 * count))
    assert np.all(np.abs(np.corrcoef(z.T) - np.eye(3)) < 5 / np.sqrt(count))


def test_samples_are_a_function_of_the_key(getkey):
    posterior, key = gaussian(np.ones((4, 2), np.float32), np.ones((4, 2), np.float32)), getkey()
    np.testing.assert_array_equal(posterior.sample(key=key), posterior.sample(key=key))
    assert not np.any(posterior.sample(key=key) == posterior.sample(key=getkey()))


def test_samples_are_differentiable_in_mean_and_log_variance(getkey):
    key, mean, log_variance = getkey(), jnp.ones((4, 2)), jnp.full((4, 2), -1.0)

    def total(mean, log_variance):
        return DiagonalGaussian(mean, log_variance).sample(key=key).sum()

    along_mean, along_log_variance = jax.grad(total, argnums=(0, 1))(mean, log_variance)
    noise = DiagonalGaussian(mean, log_variance).sample(key=key) - mean
    np.testing.assert_allclose(along_mean, 1)
    np.testing.assert_allclose(along_log_variance, noise / 2, rtol=1e-5)


def test_point_mass_is_its_mean(getkey):
    mean = jnp.arange(6.0).reshape(3, 2)
    assert PointMass(mean).sample(key=getkey()) is mean
    assert isinstance(PointMass(mean), Posterior) and isinstance(gaussian(mean, mean), Posterior)


def test_singular_values_give_the_kl_of_the_batch_that_was_decomposed(x64):
    """Summed over the batch, Eq. 7 is Eq. 2; it is so neither for a part of the batch nor for another basis."""
    rng = np.random.default_rng(0)
    latents, log_variance = jnp.asarray(rng.normal(size=(7, 5))), jnp.asarray(rng.normal(size=(7, 3)))
    svd = truncated_svd(latents, 3)
    by_singular_values = kl_from_singular_values(svd.singular_values, log_variance)
    kl = DiagonalGaussian(svd.coefficients, log_variance).kl()
    assert by_singular_values == pytest.approx(float(kl.sum()), rel=1e-12)

    means_only = kl - DiagonalGaussian(jnp.zeros((7, 3)), log_variance).kl()
    per_sample = np.asarray(means_only.sum(axis=1))
    np.testing.assert_allclose(per_sample.sum(), np.sum(svd.singular_values**2) / 2, rtol=1e-12)
    assert per_sample.std() > 0.1 * per_sample.mean()
    other_basis = np.eye(5)[:, :3]
    assert np.sum((latents @ other_basis) ** 2) < 0.99 * np.sum(svd.singular_values**2)
