"""Fréchet and kernel distances against SciPy, naive sums, closed forms, and their own expectations."""

import math

import jax
import numpy as np
import pytest
import scipy.linalg

from vrrae_lab import metrics

RNG = np.random.default_rng(0)


def naive_frechet(x: np.ndarray, y: np.ndarray) -> float:
    """With SciPy's root of the product, which is not symmetric."""
    s_x, s_y = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(s_x @ s_y)
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(s_x + s_y) - 2 * np.trace(root).real)


def with_moments(mean: np.ndarray, covariance: np.ndarray, count: int = 50) -> np.ndarray:
    """Samples of exactly this mean and covariance."""
    z = RNG.normal(size=(count, len(mean)))
    z = np.linalg.qr(z - z.mean(axis=0))[0] * math.sqrt(count - 1)
    values, vectors = np.linalg.eigh(covariance)
    return z @ (np.sqrt(np.maximum(values, 0))[:, None] * vectors.T) + mean


# ---- Fréchet distance


@pytest.mark.parametrize("counts", [(30, 40), (200, 9)])
def test_frechet_distance_is_its_definition(counts: tuple[int, int]) -> None:
    x = RNG.normal(size=(counts[0], 8)) @ RNG.normal(size=(8, 8))
    y = RNG.normal(size=(counts[1], 8)) @ RNG.normal(size=(8, 8)) + 0.3
    assert metrics.frechet_distance(x, y) == pytest.approx(naive_frechet(x, y), rel=1e-9)
    assert metrics.frechet_distance(y, x) == pytest.approx(naive_frechet(x, y), rel=1e-9)


def test_frechet_distance_of_known_gaussians() -> None:
    # of covariances that commute it is the squared distance of the means and of the standard deviations
    x = with_moments(np.array([1.0, 2.0, 0.0]), np.diag([4.0, 1.0, 9.0]))
    y = with_moments(np.array([1.0, 0.0, 0.0]), np.diag([1.0, 1.0, 0.25]))
    assert metrics.frechet_distance(x, y) == pytest.approx(4 + 1 + 0 + 2.5**2, rel=1e-12)
    # of 2×2 matrices that do not, tr (AB)^(1/2) = (tr AB + 2 (det AB)^(1/2))^(1/2)
    a, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, -0.5], [-0.5, 4.0]])
    overlap = math.sqrt(np.trace(a @ b) + 2 * math.sqrt(np.linalg.det(a @ b)))
    found = metrics.frechet_distance(with_moments(np.zeros(2), a), with_moments(np.zeros(2), b))
    assert found == pytest.approx(10 - 2 * overlap, rel=1e-12)


def test_frechet_distance_of_a_shifted_and_scaled_copy() -> None:
    x = RNG.normal(size=(300, 20)) @ RNG.normal(size=(20, 20))
    shift = RNG.normal(size=20)
    variance = x.var(axis=0, ddof=1).sum()
    assert metrics.frechet_distance(x, x + shift) == pytest.approx(np.sum(shift**2), rel=1e-10)
    scaled = x.mean(axis=0) + 3 * (x - x.mean(axis=0))
    assert metrics.frechet_distance(x, scaled) == pytest.approx(4 * variance, rel=1e-12)


@pytest.mark.parametrize(("count", "rank"), [(300, 20), (300, 5), (12, 20), (2, 20), (300, 0)])
def test_frechet_distance_of_identical_sets_is_zero(count: int, rank: int) -> None:
    """Also where there are fewer samples than dimensions or the samples lie in a subspace."""
    x = RNG.normal(size=(count, rank)) @ RNG.normal(size=(rank, 20)) + 2
    assert 0 <= metrics.frechet_distance(x, x) <= 1e-13 * (1 + x.var(axis=0).sum())
    assert 0 <= metrics.frechet_distance(x, RNG.permutation(x)) <= 1e-13 * (1 + x.var(axis=0).sum())


@pytest.mark.parametrize("counts", [(5, 40), (6, 4), (40, 2)])
def test_frechet_distance_of_singular_covariances(counts: tuple[int, int]) -> None:
    """Fewer samples than dimensions; the root of the product by way of the symmetric roots of its factors."""
    x, y = RNG.normal(size=(counts[0], 8)), 1.5 * RNG.normal(size=(counts[1], 8)) + 0.3
    halves = []
    for z in (x, y):
        values, vectors = np.linalg.eigh(np.cov(z.T))
        halves.append((vectors * np.sqrt(np.where(values > 1e-12, values, 0))) @ vectors.T)
    overlap = scipy.linalg.svdvals(halves[0] @ halves[1]).sum()
    wanted = np.sum((x.mean(0) - y.mean(0)) ** 2) + x.var(0, ddof=1).sum() + y.var(0, ddof=1).sum() - 2 * overlap
    assert metrics.frechet_distance(x, y) == pytest.approx(wanted, rel=1e-10)


def test_frechet_distance_of_orthogonal_subspaces() -> None:
    """Nothing overlaps, so it is the sum of all variances."""
    x, y = np.zeros((40, 6)), np.zeros((50, 6))
    x[:, :3] = with_moments(np.zeros(3), np.diag([1.0, 2.0, 3.0]), 40)
    y[:, 3:] = with_moments(np.zeros(3), np.diag([4.0, 5.0, 6.0]), 50)
    assert metrics.frechet_distance(x, y) == pytest.approx(21, rel=1e-12)


def test_frechet_distance_is_not_disturbed_by_a_far_origin() -> None:
    x, y = RNG.normal(size=(60, 4)), 2 * RNG.normal(size=(70, 4))
    assert metrics.frechet_distance(x + 1e6, y + 1e6) == pytest.approx(metrics.frechet_distance(x, y), rel=1e-8)


# ---- the floor of the same distribution


def test_floor_is_what_fresh_samples_of_one_distribution_give() -> None:
    """Both are near the first order in 1/n, (1/n + 1/m) (d + d/2 + d (d-1)/4) for N(0, I) in d dimensions."""
    count, dimension = (300, 600), 4
    pool = RNG.normal(size=(900, dimension))
    found = metrics.same_distribution_floor(
        metrics.frechet_distance, pool, count, num_repeats=100, key=jax.random.key(0)
    )
    fresh = [
        metrics.frechet_distance(RNG.normal(size=(count[0], dimension)), RNG.normal(size=(count[1], dimension)))
        for _ in range(100)
    ]
    first_order = (1 / 300 + 1 / 600) * (dimension + dimension / 2 + dimension * (dimension - 1) / 4)
    assert found.mean == pytest.approx(first_order, rel=0.15)
    assert found.mean == pytest.approx(np.mean(fresh), rel=0.2)
    assert found.standard_deviation == pytest.approx(np.std(fresh), rel=0.35)


def test_floor_draws_disjoint_sets_of_the_sizes_asked_for() -> None:
    pool, seen = np.arange(20.0)[:, None], []

    def record(x: np.ndarray, y: np.ndarray) -> float:
        seen.append((x[:, 0].tolist(), y[:, 0].tolist()))
        return float(len(seen))

    found = metrics.same_distribution_floor(record, pool, (7, 9), num_repeats=3, key=jax.random.key(0))
    assert found == (2, 1)  # the mean of 1, 2, 3 and their standard deviation
    for x, y in seen:
        assert (len(x), len(y), len({*x, *y})) == (7, 9, 16)
    assert seen[0] != seen[1] != seen[2]
    again = metrics.same_distribution_floor(record, pool, (7, 9), num_repeats=3, key=jax.random.key(0))
    assert again.mean == 5 and seen[:3] == seen[3:]


def test_floor_refuses_numbers_that_do_not_fit() -> None:
    pool = RNG.normal(size=(10, 2))

    def floor(counts: tuple[int, int], num_repeats: int = 2) -> metrics.Spread:
        return metrics.same_distribution_floor(
            metrics.energy_distance, pool, counts, num_repeats=num_repeats, key=jax.random.key(0)
        )

    assert floor((5, 5)).mean > 0
    with pytest.raises(ValueError, match="two disjoint sets of 5 and 6 need 11 samples, x has 10"):
        floor((5, 6))
    with pytest.raises(ValueError, match=r"counts = \(0, 6\): use 1 or more"):
        floor((0, 6))
    with pytest.raises(ValueError, match="num_repeats = 1: use 2 or more"):
        floor((5, 5), num_repeats=1)


# ---- kernel distance


def test_cubic_kernel_of_known_vectors() -> None:
    found = metrics.cubic_kernel(np.array([[2.0, 4.0]]), np.array([[1.0, 0.0], [-1.0, -1.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[8, -8, 1]])


def naive_kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Pair by pair, no sample with itself."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (a @ b / len(a) + 1) ** 3

    found = np.mean([kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j])
    found += np.mean([kernel(y[i], y[j]) for i in range(len(y)) for j in range(len(y)) if i != j])
    return float(found - 2 * np.mean([kernel(a, b) for a in x for b in y]))


@pytest.mark.parametrize("block_size", [1, 3, 5, 100])
def test_kernel_distance_is_a_mean_over_pairs_of_different_samples(block_size: int) -> None:
    x, y = RNG.normal(size=(5, 3)), RNG.normal(size=(7, 3)) + 1
    found = metrics.kernel_distance(x, y, block_size=block_size)
    assert found == pytest.approx(naive_kernel_distance(x, y), rel=1e-12)
    assert metrics.kernel_distance(y, x, block_size=block_size) == pytest.approx(found, rel=1e-12)


def test_kernel_distance_of_known_sets() -> None:
    # in one dimension κ(0, 0) = κ(0, 1) = 1 and κ(1, 1) = 8
    zeros, ones = np.zeros((3, 1)), np.ones((2, 1))
    assert metrics.kernel_distance(zeros, ones) == pytest.approx(1 + 8 - 2)
    # of a set and its copy: 2 (1 - (1 + 1 + 1 + 8) / 4) from the pairs with themselves
    both = np.array([[0.0], [1.0]])
    assert metrics.kernel_distance(both, both) == pytest.approx(2 - 2 * 11 / 4)


def test_kernel_distance_is_zero_on_average_for_one_distribution() -> None:
    """Below zero about as often as above, though the features are not centred."""
    found = np.array([metrics.kernel_distance(*(RNG.normal(size=(2, 25, 3)) + 0.5)) for _ in range(1500)])
    error = found.std(ddof=1) / math.sqrt(len(found))
    assert abs(found.mean()) < 4 * error and error < 0.02
    assert 0.25 < (found < 0).mean() < 0.9


def test_kernel_distance_is_on_average_that_of_the_distributions() -> None:
    # in one dimension E κ(x, y) = 1 + 3 E[x] E[y] + 3 E[x²] E[y²] + E[x³] E[y³]; signs ±1 have the moments 0, 1, 0
    # and the constant 1 has 1, 1, 1: 4 + 8 - 2 * 4
    found = np.array(
        [metrics.kernel_distance(RNG.choice([-1.0, 1.0], size=(10, 1)), np.ones((5, 1))) for _ in range(1000)]
    )
    assert abs(found.mean() - 4) < 4 * found.std(ddof=1) / math.sqrt(len(found)) < 0.5


def test_mean_kernel_distance_is_a_mean_over_disjoint_blocks() -> None:
    """Every sample is in one block, in sets of different sizes that the number of blocks does not divide."""
    x, y = RNG.normal(size=(23, 2)), RNG.normal(size=(31, 2)) + 1
    blocks = []

    def record(a: np.ndarray, b: np.ndarray) -> float:
        blocks.append((a, b))
        return naive_kernel_distance(a, b)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vrrae_lab.metrics.distances.kernel_distance", record)
        found = metrics.mean_kernel_distance(x, y, num_blocks=4, key=jax.random.key(0))
    for k, z in enumerate((x, y)):
        together = np.concatenate([pair[k] for pair in blocks])
        assert not np.array_equal(together, z)
        np.testing.assert_array_equal(np.sort(together, axis=0), np.sort(z, axis=0))
    values = [naive_kernel_distance(a, b) for a, b in blocks]
    assert len(values) == 4 and found.value == pytest.approx(np.mean(values))
    assert found.standard_error == pytest.approx(np.std(values, ddof=1) / 2)
    assert metrics.mean_kernel_distance(x, y, num_blocks=4, key=jax.random.key(0)) == pytest.approx(found)
    assert metrics.mean_kernel_distance(x, y, num_blocks=4, key=jax.random.key(1)) != pytest.approx(found)


def test_mean_kernel_distance_is_without_bias_and_its_standard_error_true() -> None:
    found = [
        metrics.mean_kernel_distance(*RNG.normal(size=(2, 60, 3)), num_blocks=6, key=jax.random.key(0))
        for _ in range(400)
    ]
    values, errors = np.array(found).T
    assert abs(values.mean()) < 4 * values.std(ddof=1) / 20
    assert math.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.15)


def test_distances_tell_distributions_apart() -> None:
    x, y = RNG.normal(size=(600, 4)), RNG.normal(size=(600, 4)) + 0.4
    found = metrics.mean_kernel_distance(x, y, key=jax.random.key(0))
    assert found.value > 4 * found.standard_error
    floor = metrics.same_distribution_floor(metrics.frechet_distance, x, (200, 200), key=jax.random.key(0))
    assert metrics.frechet_distance(x[:200], y[:200]) > floor.mean + 5 * floor.standard_deviation


def test_kernel_distances_refuse_numbers_that_are_too_small() -> None:
    x = RNG.normal(size=(8, 2))
    with pytest.raises(ValueError, match="block_size = 0: use 1 or more"):
        metrics.kernel_distance(x, x, block_size=0)
    with pytest.raises(ValueError, match="num_blocks = 1: use 2 or more"):
        metrics.mean_kernel_distance(x, x, num_blocks=1, key=jax.random.key(0))
