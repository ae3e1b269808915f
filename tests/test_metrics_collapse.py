"""Which coefficients have collapsed, on posteriors made so that the answer is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import metrics
from vrrae_lab.gaussian import DiagonalGaussian, PointMass


def test_active_units_by_the_variance_of_the_means() -> None:
    # columns of variance 1, 0.0121, 0.0081, 0; the last is far from zero, which is not activity
    signs = np.array([1.0, -1.0] * 10)[:, None]
    means = np.hstack([signs, 0.11 * signs, 0.09 * signs, 0 * signs + 5])
    for array in (means, jnp.asarray(means)):
        assert metrics.active_units(array).tolist() == [True, True, False, False]
    assert metrics.active_units(means, threshold=0.5).tolist() == [True, False, False, False]
    assert metrics.active_units(means, threshold=0.005).tolist() == [True, True, True, False]


def test_kl_per_coefficient_is_a_mean_over_images() -> None:
    mean = jnp.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    log_variance = jnp.array([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    found = metrics.kl_per_coefficient(DiagonalGaussian(mean, log_variance))
    assert found == pytest.approx([0, 0.5 * (4 / 2), 0.5 * (np.e - 2) / 2])
    assert all(type(value) is float for value in found)


def test_point_mass_has_no_kl() -> None:
    assert metrics.kl_per_coefficient(PointMass(jnp.ones((3, 2)))) is None


def test_effective_rank_counts_equal_directions() -> None:
    assert metrics.effective_rank(np.array([2.0, 2.0, 2.0])) == pytest.approx(3)
    assert metrics.effective_rank(np.array([5.0, 0.0])) == 1
    assert metrics.effective_rank(np.zeros(4)) == 0
    assert 1 < metrics.effective_rank(np.array([1.0, 0.1])) < 2
