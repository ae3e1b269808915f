"""The energy distance against naive sums and SciPy, and the level and power of its permutation test."""

import itertools

import jax
import numpy as np
import pytest
import scipy.stats

from vrrae_lab import metrics

RNG = np.random.default_rng(0)


def naive_energy(x: np.ndarray, y: np.ndarray) -> float:
    def mean(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.mean([np.linalg.norm(p - q) for p in a for q in b]))

    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


# ---- energy distance


@pytest.mark.parametrize("block_size", [1, 5, 12, 100])
def test_energy_distance_is_its_definition(block_size: int) -> None:
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=(7, 3)) + 1
    assert metrics.energy_distance(x, y, block_size=block_size) == pytest.approx(naive_energy(x, y), rel=1e-12)


def test_energy_distance_in_one_dimension_is_that_of_scipy() -> None:
    x, y = RNG.normal(size=40), RNG.exponential(size=30)
    found = metrics.energy_distance(x[:, None], y[:, None])
    assert found == pytest.approx(scipy.stats.energy_distance(x, y) ** 2, rel=1e-10)


def test_energy_distance_of_known_sets() -> None:
    # two points at a distance of 5; then a pair around one point: 2 · 1 - 1 - 0
    assert metrics.energy_distance(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])) == pytest.approx(10)
    assert metrics.energy_distance(np.array([[-1.0], [1.0]]), np.array([[0.0]])) == pytest.approx(1)


def test_energy_distance_of_equal_sets_is_zero() -> None:
    x = RNG.normal(size=(60, 5)) + 3
    assert 0 <= metrics.energy_distance(x, RNG.permutation(x)) < 1e-13
    assert 0 <= metrics.energy_distance(x, np.concatenate([x, x])) < 1e-13  # each sample twice


# ---- the test


def naive_p_value(x: np.ndarray, y: np.ndarray) -> float:
    """Over all divisions of the pooled samples: the exact probability."""
    pooled = np.concatenate([x, y])
    given, as_far, count = naive_energy(x, y), 0, 0
    for chosen in itertools.combinations(range(len(pooled)), len(x)):
        rest = [i for i in range(len(pooled)) if i not in chosen]
        as_far += naive_energy(pooled[list(chosen)], pooled[rest]) >= given - 1e-9
        count += 1
    return as_far / count


@pytest.mark.parametrize("shift", [0.0, 0.8, 3.0])
def test_p_value_is_that_of_all_divisions(shift: float) -> None:
    """Small sets, in which the division given and its mirror image come up often."""
    x, y = RNG.normal(size=(4, 2)), RNG.normal(size=(4, 2)) + shift
    found = metrics.two_sample_test(x, y, num_permutations=4000, key=jax.random.key(0))
    assert found.statistic == pytest.approx(naive_energy(x, y))
    assert found.p_value == pytest.approx(naive_p_value(x, y), abs=0.03)


def test_p_value_counts_the_sets_themselves() -> None:
    """The smallest is 1 / (1 + B); of equal sets no division is nearer, so it is 1."""
    x = RNG.normal(size=(40, 3))
    assert metrics.two_sample_test(x, x + 5, num_permutations=19, key=jax.random.key(0)).p_value == 1 / 20
    assert metrics.two_sample_test(x, x, num_permutations=19, key=jax.random.key(0)) == (pytest.approx(0, abs=1e-13), 1)
    constant = np.full((10, 3), 0.1)
    assert metrics.two_sample_test(constant, constant, num_permutations=19, key=jax.random.key(0)).p_value == 1


def test_p_values_are_uniform_where_the_distributions_are_one() -> None:
    """Sets of different sizes, among them heavy tails."""
    draws = RNG.standard_t(2, size=(250, 45, 2))
    found = [
        metrics.two_sample_test(z[:15], z[15:], num_permutations=99, key=key).p_value
        for z, key in zip(draws, jax.random.split(jax.random.key(1), len(draws)), strict=True)
    ]
    steps = np.round(100 * np.array(found))
    np.testing.assert_allclose(steps, 100 * np.array(found), atol=1e-9)
    assert 1 <= steps.min() and steps.max() <= 100
    # every level 0.01, 0.02, … is right to what chance allows (Kolmogorov)
    levels = np.arange(1, 101)
    reached = (steps[None, :] <= levels[:, None]).mean(axis=1)
    assert np.abs(reached - levels / 100).max() < 1.8 / np.sqrt(len(found))


@pytest.mark.parametrize("name", ["shift", "scale", "clusters"])
def test_p_values_are_small_where_the_distributions_differ(name: str) -> None:
    """Also where the means, or the means and covariances, are the same."""
    x, y = RNG.normal(size=(2, 200, 2))
    if name == "shift":
        y = y + 0.5
    elif name == "scale":
        y = 1.6 * y
    else:
        y = 0.2 * y + np.sqrt(0.96) * RNG.choice([-1.0, 1.0], size=y.shape)
    assert metrics.two_sample_test(x, y, num_permutations=199, key=jax.random.key(0)).p_value == 1 / 200


@pytest.mark.parametrize("block_size", [1, 7, 1000])
def test_outcome_depends_on_the_key_and_not_on_the_blocks(block_size: int) -> None:
    x, y = np.random.default_rng(1).normal(size=(2, 20, 2))
    outcomes = [
        metrics.two_sample_test(x, y, num_permutations=99, block_size=block_size, key=jax.random.key(seed))
        for seed in (0, 1)
    ]
    wanted = metrics.two_sample_test(x, y, num_permutations=99, key=jax.random.key(0))
    assert outcomes[0] == pytest.approx(wanted) and outcomes[0].p_value != outcomes[1].p_value


@pytest.mark.parametrize("name", ["num_permutations", "block_size"])
def test_numbers_below_one_are_refused(name: str) -> None:
    x = RNG.normal(size=(5, 2))
    with pytest.raises(ValueError, match=f"{name} = 0: use 1 or more"):
        metrics.two_sample_test(x, x, key=jax.random.key(0), **{name: 0})
    with pytest.raises(ValueError, match="block_size = -1: use 1 or more"):
        metrics.energy_distance(x, x, block_size=-1)
