"""Both kinds of precision and recall, on sets whose shares are known, and against naive loops."""

import jax
import numpy as np
import pytest

from vrrae_lab import metrics

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)


# ---- PRD of histograms


def test_prd_of_histograms_is_its_definition() -> None:
    p, q = RNG.dirichlet(np.ones(6)), RNG.dirichlet(np.ones(6))
    curve = metrics.prd_of_histograms(p, q, num_angles=5)
    assert (np.diff(curve.precision) >= 0).all() and (np.diff(curve.recall) <= 0).all()
    for i in range(5):
        slope = np.tan((i + 1) / 6 * np.pi / 2)
        assert curve.precision[i] == pytest.approx(sum(min(slope * a, b) for a, b in zip(p, q, strict=True)))
        assert curve.recall[i] == pytest.approx(sum(min(a, b / slope) for a, b in zip(p, q, strict=True)))


def test_prd_of_equal_histograms_reaches_both() -> None:
    p = RNG.dirichlet(np.ones(20))
    curve = metrics.prd_of_histograms(p, p)
    assert curve.precision.max() <= 1 and curve.recall.max() <= 1
    for beta in (0.125, 1, 8):
        assert curve.f_score(beta) == pytest.approx(1)
    assert curve.summary() == pytest.approx((1, 1))


def test_prd_of_histograms_apart_is_zero() -> None:
    curve = metrics.prd_of_histograms(np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0]))
    assert not curve.precision.any() and not curve.recall.any()
    assert curve.f_score(1) == 0 and curve.summary() == (0, 0)


def test_precision_is_of_the_generated_and_recall_of_the_real() -> None:
    # half of the modes generated, each twice too often: all precision, half recall, at λ = 2
    real, generated = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    curve = metrics.prd_of_histograms(real, generated)
    np.testing.assert_allclose([curve.precision.max(), curve.recall.max()], [1, 0.5])
    best = (1 + 1 / 64) * 0.5 / (1 / 64 + 0.5)  # F_1/8 at the corner (1, 1/2)
    assert curve.summary().precision == pytest.approx(best, rel=1e-4)
    assert curve.summary().recall == pytest.approx(65 * 0.5 / (64 + 0.5), rel=1e-4)
    mirrored = metrics.prd_of_histograms(generated, real)
    assert mirrored.summary() == pytest.approx(curve.summary()[::-1])
    np.testing.assert_allclose(mirrored.precision, curve.recall[::-1])


def test_f_score_is_the_largest_on_the_curve() -> None:
    curve = metrics.PRDCurve(np.array([0.0, 0.2, 0.6, 0.9]), np.array([0.0, 0.9, 0.5, 0.1]))
    assert curve.f_score(1) == pytest.approx(2 * 0.3 / 1.1)
    assert curve.f_score(8) == pytest.approx(65 * 0.18 / (64 * 0.2 + 0.9))
    assert curve.f_score(1 / 8) == pytest.approx((65 / 64) * 0.09 / (0.9 / 64 + 0.1))
    for beta in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"beta = {beta}: use a positive number"):
            curve.f_score(beta)


@pytest.mark.usefixtures("unchecked")
def test_prd_of_histograms_refuses_what_is_no_histogram() -> None:
    good = np.array([0.25, 0.75])
    for bad in ([0.5, 0.6], [-0.5, 1.5], [np.nan, 1.0], [np.inf, 0.0]):
        with pytest.raises(ValueError, match="^real sums to .*: give finite probabilities"):
            metrics.prd_of_histograms(np.array(bad), good)
        with pytest.raises(ValueError, match="^generated sums to .*: give finite probabilities"):
            metrics.prd_of_histograms(good, np.array(bad))
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\): give two vectors"):
        metrics.prd_of_histograms(good, np.array([0.2, 0.3, 0.5]))
    with pytest.raises(ValueError, match=r"shapes \(1, 2\) and \(1, 2\): give two vectors"):
        metrics.prd_of_histograms(good[None], good[None])
    with pytest.raises(ValueError, match="num_angles = 2: use 3 or more"):
        metrics.prd_of_histograms(good, good, num_angles=2)


# ---- PRD of samples


def clusters(counts: list[int]) -> np.ndarray:
    """So many samples around each of the centres 0, 10, 20, … on a line in the plane."""
    centres = np.repeat(np.arange(len(counts)), counts)
    return np.stack([10.0 * centres, 0 * centres], axis=1) + 0.1 * RNG.normal(size=(len(centres), 2))


def test_prd_of_separate_clusters_is_that_of_their_shares() -> None:
    real, generated = clusters([30, 20, 50]), clusters([60, 0, 40])
    found = metrics.prd(real, generated, num_clusters=3, num_runs=1, key=jax.random.key(2))
    wanted = metrics.prd_of_histograms(np.array([0.3, 0.2, 0.5]), np.array([0.6, 0.0, 0.4]))
    np.testing.assert_allclose(found.precision, wanted.precision)
    np.testing.assert_allclose(found.recall, wanted.recall)


def test_prd_is_a_mean_over_runs() -> None:
    x, y = RNG.normal(size=(2, 100, 2))
    seeds: list[int] = []
    shares: list[metrics.PRDCurve] = []
    prd_of_histograms = metrics.prd_of_histograms

    def record(real: np.ndarray, generated: np.ndarray, *, num_angles: int) -> metrics.PRDCurve:
        seeds.append(len(seeds))
        shares.append(prd_of_histograms(real, generated, num_angles=num_angles))
        return shares[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vrrae_lab.metrics.precision_recall.prd_of_histograms", record)
        found = metrics.prd(x, y, num_clusters=8, num_runs=3, num_angles=11, key=KEY)
    assert len(shares) == 3 and not np.allclose(shares[0].precision, shares[1].precision)
    np.testing.assert_allclose(found.precision, np.mean([curve.precision for curve in shares], axis=0))
    np.testing.assert_allclose(found.recall, np.mean([curve.recall for curve in shares], axis=0))


def test_prd_of_identical_sets_is_all() -> None:
    x = RNG.normal(size=(200, 3))
    assert metrics.prd(x, x, num_runs=2, key=KEY).summary() == pytest.approx((1, 1))


def test_prd_of_one_distribution_is_nearly_all_and_of_two_apart_nothing() -> None:
    x, y = RNG.normal(size=(2, 500, 3))
    alike = metrics.prd(x, y, num_runs=3, key=KEY).summary()
    assert min(alike) > 0.93
    assert metrics.prd(x, y + 20, num_runs=1, key=KEY).summary() == (0, 0)
    few = metrics.prd(x, y[np.argsort(y[:, 0])[:50]].repeat(10, axis=0), num_runs=3, key=KEY).summary()
    assert few.recall < few.precision < alike.precision


def test_prd_is_decided_by_the_key() -> None:
    x, y = RNG.normal(size=(2, 100, 3))
    first, again, other = (metrics.prd(x, y, num_runs=1, key=jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.precision, again.precision)
    assert not np.array_equal(first.precision, other.precision)


def test_prd_refuses_sets_that_do_not_fit() -> None:
    x = RNG.normal(size=(30, 2))
    with pytest.raises(ValueError, match="30 real and 29 generated samples: draw as many"):
        metrics.prd(x, x[1:], key=KEY)
    with pytest.raises(ValueError, match="there are 5 distinct samples for 20 clusters: ask for fewer"):
        metrics.prd(x[:5].repeat(6, axis=0), x[:5].repeat(6, axis=0), key=KEY)
    with pytest.raises(ValueError, match="num_clusters = 0: use 1 or more"):
        metrics.prd(x, x, num_clusters=0, key=KEY)
    with pytest.raises(ValueError, match="num_runs = 0: use 1 or more"):
        metrics.prd(x, x, num_runs=0, key=KEY)


# ---- improved precision and recall


def naive_share(queries: np.ndarray, points: np.ndarray, k: int) -> float:
    inside = 0
    radii = [sorted(((p - q) ** 2).sum() for j, q in enumerate(points) if j != i)[k - 1] for i, p in enumerate(points)]
    for query in queries:
        inside += any(((query - p) ** 2).sum() <= radius for p, radius in zip(points, radii, strict=True))
    return inside / len(queries)


@pytest.mark.parametrize("block_size", [1, 7, 30, 1000])
@pytest.mark.parametrize("k", [1, 3, 29])
def test_improved_precision_and_recall_are_those_of_loops(k: int, block_size: int) -> None:
    rng = np.random.default_rng(k)
    real, generated = rng.normal(size=(30, 2)), 0.6 * rng.normal(size=(40, 2)) + 0.5
    found = metrics.improved_precision_recall(real, generated, num_neighbours=k, block_size=block_size)
    assert found == (naive_share(generated, real, k), naive_share(real, generated, k))
    assert k == 29 or found.recall < found.precision


@pytest.mark.parametrize("block_size", [4, 512])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_ties_and_copies_are_exact(k: int, block_size: int) -> None:
    """On a grid, where most distances are ties, and with so many copies that some radii are zero."""
    rng = np.random.default_rng(k)
    real, generated = rng.integers(0, 6, size=(2, 40, 2)) / 10 + 1000.3
    real[:4] = real[0]
    found = metrics.improved_precision_recall(real, generated, num_neighbours=k, block_size=block_size)
    assert found == (naive_share(generated, real, k), naive_share(real, generated, k))


def test_improved_precision_and_recall_of_a_known_line() -> None:
    # real at 0, 1, 3 with one neighbour: radii 1, 1, 2, so balls cover [-1, 5]; generated at -1, 5, 5.1, 20: radii 6,
    # 0.1, 0.1, 14.9, so balls cover [-7, 5], [4.9, 5.2] and from 5.1 on, boundaries included
    real, generated = np.array([[0.0], [1.0], [3.0]]), np.array([[-1.0], [5.0], [5.125], [20.0]])
    assert metrics.improved_precision_recall(real, generated, num_neighbours=1) == (0.5, 1)


def test_improved_precision_and_recall_of_identical_sets_is_all() -> None:
    """Also of sets that are copies of one or two samples, whose balls have no extent."""
    x = RNG.normal(size=(50, 4)) + 1e3
    for sample_set in (x, x[:2].repeat(10, axis=0), x[:1].repeat(10, axis=0)):
        assert metrics.improved_precision_recall(sample_set, RNG.permutation(sample_set)) == (1, 1)
    assert metrics.improved_precision_recall(x[:1].repeat(10, axis=0), x[1:2].repeat(10, axis=0)) == (0, 0)


def test_copies_of_one_real_sample_are_precise_and_recall_little() -> None:
    x = RNG.normal(size=(200, 2))
    assert metrics.improved_precision_recall(x, x[:1].repeat(200, axis=0)) == (1, 1 / 200)


def test_improved_precision_and_recall_of_clusters() -> None:
    """A dropped mode costs its share of recall, an invented one its share of precision."""
    real, generated = clusters([100, 50, 50, 0]), clusters([80, 0, 80, 40])
    found = metrics.improved_precision_recall(real, generated)
    assert found.precision == pytest.approx(0.8, abs=0.03) and found.recall == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("name", ["num_neighbours", "block_size"])
def test_numbers_below_one_are_refused(name: str) -> None:
    x = RNG.normal(size=(10, 2))
    with pytest.raises(ValueError, match=f"{name} = 0: use 1 or more"):
        metrics.improved_precision_recall(x, x, **{name: 0})
