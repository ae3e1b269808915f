"""Generating, interpolating and traversing: what is decoded, and from which coefficients."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support import linear_nets

from vrrae_lab import Autoencoder, data, explore, freeze_basis, models
from vrrae_lab.explore import sample_mixture

KEY = jax.random.key(3)
X = data.bumps(64, 8).x


@pytest.fixture(scope="module")
def unfrozen() -> Autoencoder:
    with linear_nets():
        return models.vrrae((8, 8, 1), 6, 2, key=jax.random.key(0))


@pytest.fixture(scope="module")
def model(unfrozen: Autoencoder) -> Autoencoder:
    return freeze_basis(unfrozen, X)


@pytest.fixture(scope="module")
def z(model: Autoencoder) -> np.ndarray:
    return np.asarray(model.encode(X).mean)


# ---- coefficients


@pytest.mark.parametrize("count", [1, 250, 300])
def test_coefficients_are_posterior_means_at_any_number_of_images(model: Autoencoder, count: int) -> None:
    x = np.resize(X, (count, 8, 8, 1)) * np.linspace(0.5, 1, count, dtype=np.float32)[:, None, None, None]
    found = explore.coefficients(model, x)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, model.encode(x).mean, atol=1e-5)


# ---- generation


def test_generated_images_are_decoded_samples_of_the_mixture(model: Autoencoder, z: np.ndarray) -> None:
    found = explore.generate(model, X, 9, num_components=4, key=KEY)
    assert found.shape == (9, 8, 8, 1) and found.dtype == np.float32
    wanted = model.decode(sample_mixture(z, 9, num_components=4, key=KEY))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_same_key_generates_the_same_bits(model: Autoencoder) -> None:
    first, again, other = (
        explore.generate(model, X, 7, num_components=3, key=jax.random.key(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_samples_have_the_moments_of_what_was_fitted() -> None:
    rng = np.random.default_rng(0)
    left = rng.normal(size=(400, 2)) * [0.5, 30] + [-4, 100]
    right = rng.normal(size=(200, 2)) @ np.array([[0.5, 20], [0, 20]]) + [4, -100]
    z = np.concatenate([left, right]).astype(np.float32)
    samples = sample_mixture(z, 20_000, num_components=2, key=KEY)
    assert samples.shape == (20_000, 2) and samples.dtype == np.float32
    np.testing.assert_allclose(samples.mean(axis=0), z.mean(axis=0), rtol=0.1)
    np.testing.assert_allclose(np.cov(samples.T), np.cov(z.T), rtol=0.05)
    assert (samples[:, 0] < 0).mean() == pytest.approx(2 / 3, abs=0.02)
    assert ((samples[:, 0] > -1.5) & (samples[:, 0] < 1.5)).mean() < 0.01  # nothing between the two
    of_right = samples[samples[:, 0] > 0]
    assert np.corrcoef(of_right.T)[0, 1] == pytest.approx(np.corrcoef(right.T)[0, 1], abs=0.05)


def test_number_of_components_is_used() -> None:
    z = np.concatenate([np.full((50, 1), -1.0), np.full((50, 1), 1.0)]) + 0.01 * np.random.default_rng(0).normal(
        size=(100, 1)
    )
    one, two = (sample_mixture(z, 500, num_components=n, key=KEY) for n in (1, 2))
    assert (np.abs(one) < 0.5).any()
    assert not (np.abs(two) < 0.5).any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [0.0, 0.37, 1.0, -33_000.0])
@pytest.mark.parametrize("count", [5, 100])
def test_identical_points_are_sampled_without_a_warning(count: int, value: float, dtype: type) -> None:
    """As a wholly collapsed model gives."""
    z = np.full((count, 2), value, dtype) * np.array([1, 1.7], dtype)
    samples = sample_mixture(z, 50, num_components=3, key=KEY)
    np.testing.assert_allclose(samples, np.broadcast_to(z[0], (50, 2)), rtol=1e-5, atol=1e-6)


def test_collapsed_coefficient_is_sampled_without_a_warning() -> None:
    z = np.random.default_rng(0).normal(size=(100, 2)).astype(np.float32)
    z[:, 1] = 5
    samples = sample_mixture(z, 400, num_components=3, key=KEY)
    np.testing.assert_allclose(samples[:, 1], 5, atol=1e-3)
    assert samples[:, 0].std() == pytest.approx(z[:, 0].std(), rel=0.15)


def test_coefficients_of_very_different_sizes_are_fitted_alike() -> None:
    """Without scaling, the regularisation of the mixture would swamp the small one."""
    z = np.random.default_rng(0).normal(size=(300, 2)) * [1e-4, 1e3]
    samples = sample_mixture(z, 5000, num_components=1, key=KEY)
    np.testing.assert_allclose(samples.std(axis=0), z.std(axis=0), rtol=0.05)


def test_coefficients_that_are_not_finite_are_refused() -> None:
    z = np.ones((20, 2), np.float32)
    z[4, 1] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity: the model has diverged"):
        sample_mixture(z, 5, num_components=2, key=KEY)


@pytest.mark.parametrize(
    ("num_images", "num_components", "complaint"),
    [
        (0, 2, "num_images = 0: use 1 or more"),
        (5, 0, "num_components = 0: use 1 to 64"),
        (5, 65, "num_components = 65: use 1 to 64, the number of training images"),
    ],
)
def test_bad_numbers_are_refused(model: Autoencoder, num_images: int, num_components: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        explore.generate(model, X, num_images, num_components=num_components, key=KEY)


# ---- interpolation


def test_interpolation_begins_and_ends_at_the_reconstructions(model: Autoencoder, z: np.ndarray) -> None:
    paths = explore.interpolate(model, X[:3], X[10:13], 5)
    assert paths.shape == (3, 5, 8, 8, 1)
    np.testing.assert_allclose(paths[:, 0], model.reconstruct(X[:3]), atol=1e-5)
    np.testing.assert_allclose(paths[:, -1], model.reconstruct(X[10:13]), atol=1e-5)
    np.testing.assert_allclose(paths[:, 1], model.decode(0.75 * z[:3] + 0.25 * z[10:13]), atol=1e-5)


def test_interpolation_with_two_points_is_the_ends(model: Autoencoder) -> None:
    assert explore.interpolate(model, X[:1], X[1:2], 2).shape == (1, 2, 8, 8, 1)


def test_bad_interpolations_are_refused(model: Autoencoder) -> None:
    with pytest.raises(ValueError, match="num_points = 1: a path has 2 ends, use 2 or more"):
        explore.interpolate(model, X[:1], X[1:2], 1)
    with pytest.raises(ValueError, match="no samples"):
        explore.interpolate(model, X[:0], X[:0])


@pytest.mark.usefixtures("unchecked")
def test_interpolation_needs_an_end_for_each_start(model: Autoencoder) -> None:
    with pytest.raises(ValueError, match="2 start images and 1 end images"):
        explore.interpolate(model, X[:2], X[:1])


# ---- traversal


@pytest.mark.parametrize("coefficient", [0, 1])
def test_traversal_changes_one_coefficient(model: Autoencoder, z: np.ndarray, coefficient: int) -> None:
    values = np.array([-2.0, 0.5, 3.0])
    wanted = np.repeat(z[:1], 3, axis=0)
    wanted[:, coefficient] = values
    for start in (z[0], jnp.asarray(z[0])):
        found = explore.traverse(model, start, coefficient, values)
        np.testing.assert_allclose(found, model.decode(wanted), atol=1e-5)


@pytest.mark.parametrize("coefficient", [-1, 2])
def test_traversal_of_a_missing_coefficient_is_refused(model: Autoencoder, z: np.ndarray, coefficient: int) -> None:
    with pytest.raises(ValueError, match=f"coefficient = {coefficient}, but the model has coefficients 0 to 1"):
        explore.traverse(model, z[0], coefficient, np.zeros(2))


# ---- models that were not frozen

CALLS: dict[str, Callable[[Autoencoder], object]] = {
    "generate": lambda model: explore.generate(model, X, 3, key=KEY),
    "interpolate": lambda model: explore.interpolate(model, X[:5], X[5:10]),
    "interpolate one": lambda model: explore.interpolate(model, X[:1], X[1:2]),
    "traverse": lambda model: explore.traverse(model, np.zeros(2, np.float32), 0, np.zeros(3)),
}


@pytest.mark.parametrize("call", CALLS)
def test_unfrozen_model_is_refused_with_the_remedy(unfrozen: Autoencoder, call: str) -> None:
    with pytest.raises(ValueError, match="freeze_basis"):
        CALLS[call](unfrozen)
