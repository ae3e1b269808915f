"""AVAE's bandwidth: by simulation, without chance, and from the shipped table."""

import math
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vrrae_lab.density import (
    AvaeBandwidth,
    KernelDensity,
    avae,
    avae_bandwidth,
    best_bandwidth,
    corrected_bandwidth,
    exact_avae_bandwidth,
    expected_log_density,
    quadrature,
    tabulated_bandwidth,
)
from vrrae_lab.papers import BANDWIDTHS

pytestmark = pytest.mark.usefixtures("quick_compilation")

RNG = np.random.default_rng(0)


def naive_bandwidth(centres, queries):
    """The maximum of the mean log density in float64, by a search that knows no derivative."""

    def score(h):
        squares = ((queries[:, None] - centres[None]) ** 2).sum(2)
        return np.mean(np.logaddexp.reduce(-squares / (2 * h**2), axis=1)) - centres.shape[1] * math.log(h)

    return best_bandwidth(score, low=1e-3, high=10)


# ---- simulation


@pytest.mark.parametrize(
    ("latent_size", "num_centres", "num_queries"), [(1, 1, 3), (2, 40, 30), (3, 1, 50), (30, 20, 9)]
)
def test_a_trial_is_where_the_likelihood_is_largest(latent_size, num_centres, num_queries, getkey):
    key = getkey()
    found = avae_bandwidth(latent_size, num_centres, key=key, num_trials=3, num_queries=num_queries)
    for trial_key, bandwidth in zip(jax.random.split(key, 3), found.trials, strict=True):
        samples = np.float64(jax.random.normal(trial_key, (num_centres + num_queries, latent_size)))
        assert bandwidth == pytest.approx(naive_bandwidth(samples[:num_centres], samples[num_centres:]), rel=3e-4)


def test_derivatives_of_the_likelihood_are_those_of_automatic_differentiation(x64):
    squares = jnp.asarray(RNG.chisquare(4, size=(7, 5)))

    def score(log_h):
        return jnp.mean(jax.nn.logsumexp(-squares / (2 * jnp.exp(2 * log_h)), axis=0)) - 4 * log_h

    for log_h in (-1.0, 0.2):
        wanted = jax.grad(score)(log_h), jax.grad(jax.grad(score))(log_h)
        np.testing.assert_allclose(avae._slope(squares, 4, jnp.asarray(log_h)), wanted, rtol=1e-12)


def test_search_ends_where_a_centre_coincides_with_every_query():
    """The likelihood has no maximum; the search stays within the numbers."""
    found = avae._most_likely(jnp.asarray([[0.0, 0.0], [1.0, 4.0]]), 2)
    assert 0 <= found < 1e-3


def test_estimate_and_standard_error_are_those_of_the_trials():
    found = AvaeBandwidth((0.5, 0.6, 0.9))
    assert found.estimate == pytest.approx(2 / 3)
    assert found.standard_error == pytest.approx(stats.sem([0.5, 0.6, 0.9]))


def test_correction_is_that_of_the_paper():
    """Its table prints 0.70 and 0.58 for 1000 centres in 10 dimensions."""
    found = AvaeBandwidth((0.6983, 0.7120))
    assert found.corrected == pytest.approx(0.58, abs=0.005)
    assert found.alpha * found.estimate == pytest.approx(found.corrected)
    assert found.prior_deviation == pytest.approx(found.alpha)
    assert found.prior_deviation**2 + found.corrected**2 == pytest.approx(1)


@pytest.mark.parametrize("latent_size", [2, 10])
def test_the_standard_error_is_honest(latent_size, getkey):
    """Forty estimates of three trials each: they spread about the exact value as their standard errors say."""
    found = [avae_bandwidth(latent_size, 200, key=getkey(), num_queries=300) for _ in range(40)]
    spread = np.std([f.estimate for f in found], ddof=1)
    stated = math.sqrt(np.mean([f.standard_error**2 for f in found]))
    # both are estimates of the same number: with 39 and 80 degrees of freedom, F beyond these is one in a thousand
    assert stats.f.ppf(5e-4, 39, 80) < (spread / stated) ** 2 < stats.f.isf(5e-4, 39, 80)
    # and Student's t of two degrees is what the errors have in units of the standard errors
    errors = [(f.estimate - exact_avae_bandwidth(latent_size, 200)) / f.standard_error for f in found]
    outside = sum(abs(error) > stats.t.isf(0.1, 2) for error in errors)
    assert stats.binom.ppf(5e-4, 40, 0.2) <= outside <= stats.binom.isf(5e-4, 40, 0.2)


def test_simulation_and_expectation_agree(getkey):
    for latent_size, num_centres in ((5, 50), (60, 500)):
        found = avae_bandwidth(latent_size, num_centres, key=getkey(), num_trials=6)
        error = found.estimate - exact_avae_bandwidth(latent_size, num_centres)
        assert abs(error) < stats.t.isf(1e-4, 5) * found.standard_error


def test_the_same_key_gives_the_same_trials(getkey):
    key = getkey()
    assert avae_bandwidth(3, 20, key=key) == avae_bandwidth(3, 20, key=key)
    assert not set(avae_bandwidth(3, 20, key=key).trials) & set(avae_bandwidth(3, 20, key=getkey()).trials)


@pytest.mark.parametrize(
    ("name", "value"), [("latent_size", 0), ("num_centres", 0), ("num_queries", -1), ("num_trials", 1)]
)
def test_simulation_refuses_numbers_too_small(name, value, getkey):
    numbers = {"latent_size": 2, "num_centres": 5, "num_trials": 2, "num_queries": 5} | {name: value}
    with pytest.raises(ValueError, match=f"{name} = {value}: use [12] or more"):
        avae_bandwidth(**numbers, key=getkey())


def test_simulation_refuses_what_does_not_fit_in_memory(getkey):
    for numbers in ((10, 10_000_000), (10**9, 10)):
        with pytest.raises(ValueError, match="more than 2 GB: ask exact_avae_bandwidth"):
            avae_bandwidth(*numbers, key=getkey())


# ---- expectation


@pytest.mark.parametrize("latent_size", [1, 2, 3, 50, 1000])
def test_one_kernel_has_a_likelihood_in_closed_form(latent_size):
    r"""$-\mathbb{E}|z - z_1|^2/2h^2$ less the constant, as the difference has variance 2 in each coordinate."""
    for h in (0.5, 1.4):
        wanted = -latent_size * (1 / h**2 + math.log(h) + math.log(2 * math.pi) / 2)
        assert expected_log_density(latent_size, 1, h) == pytest.approx(wanted, rel=1e-7)
    assert exact_avae_bandwidth(latent_size, 1) == pytest.approx(math.sqrt(2), rel=1e-4)


def test_memory_does_not_grow_where_kernels_are_narrow():
    """The integral reaches 200 times as far as for a bandwidth of 1.4."""
    wanted = -10 * (1 / 0.1**2 + math.log(0.1) + math.log(2 * math.pi) / 2)
    tracemalloc.start()
    try:
        assert expected_log_density(10, 1, 0.1) == pytest.approx(wanted, rel=1e-7)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.nan, math.inf])
def test_bandwidths_are_positive_and_finite(bandwidth):
    for function in (corrected_bandwidth, lambda h: expected_log_density(3, 10, h)):
        with pytest.raises(ValueError, match=f"bandwidth = {bandwidth}: use a positive finite standard deviation"):
            function(bandwidth)


def test_two_kernels_on_a_line_by_cubature():
    h = 0.4

    def integrand(a, b, z):
        log_density = np.logaddexp(-((z - a) ** 2) / (2 * h**2), -((z - b) ** 2) / (2 * h**2))
        return log_density * np.exp(-(a**2 + b**2 + z**2) / 2) / (2 * math.pi) ** 1.5

    x = np.linspace(-7, 7, 141)  # the rectangle rule, as the integrand vanishes at the ends
    a, b, z = np.meshgrid(x, x, x, sparse=True)
    log_sum = integrand(a, b, z).sum() * (x[1] - x[0]) ** 3
    wanted = log_sum - math.log(2) - math.log(h) - math.log(2 * math.pi) / 2
    assert expected_log_density(1, 2, h) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(("latent_size", "num_centres", "bandwidth"), [(2, 500, 0.4), (10, 1000, 0.7), (40, 100, 1.1)])
def test_many_kernels_by_simulation(latent_size, num_centres, bandwidth, getkey):
    means = []
    for _ in range(20):
        centres = jax.random.normal(getkey(), (num_centres, latent_size))
        queries = jax.random.normal(getkey(), (1000, latent_size))
        means.append(float(KernelDensity(centres, bandwidth).log_density(queries).mean()))
    error = np.mean(means) - expected_log_density(latent_size, num_centres, bandwidth)
    assert abs(error) < stats.t.isf(1e-4, 19) * stats.sem(means)


@pytest.mark.parametrize("latent_size", [1, 2, 7, 1000])
def test_weights_are_the_densities_of_the_distances(latent_size):
    found = quadrature._quadrature(latent_size)
    np.testing.assert_allclose(found.distance_weights.sum(axis=0), 1, rtol=1e-10)
    mean_square = found.distances**2 @ found.distance_weights @ found.radius_weights
    assert mean_square == pytest.approx(2 * latent_size, rel=1e-7)


def test_density_of_the_distances_is_that_of_scipy():
    found, radius = quadrature._quadrature(5), 1.7
    middle = np.interp(1.0, found.distances, found.distance_weights.sum(axis=1))
    assert middle > 0  # there is a distance near 1
    radii, _ = quadrature._gauss_legendre(quadrature.NUM_RADII, 0, math.sqrt(5) + 6.5)
    _, weights = quadrature._gauss_legendre(quadrature.NUM_DISTANCES, 0, math.sqrt(radii[-1] ** 2 + 5) + 8.5)
    nearest = int(np.abs(radii - radius).argmin())
    wanted = stats.ncx2.pdf(found.distances**2, 5, radii[nearest] ** 2) * 2 * found.distances * weights
    np.testing.assert_allclose(found.distance_weights[:, nearest], wanted, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("latent_size", "num_centres"), [(1, 10_000), (2, 1_000_000), (10, 500), (1000, 1_000_000)])
def test_finer_quadrature_gives_the_same_bandwidth(latent_size, num_centres, monkeypatch):
    coarse = exact_avae_bandwidth(latent_size, num_centres)
    for name, value in (("NUM_RADII", 80), ("NUM_DISTANCES", 800), ("STEP", 0.2)):
        monkeypatch.setattr(quadrature, name, value)
    quadrature._quadrature.cache_clear()
    fine = exact_avae_bandwidth(latent_size, num_centres)
    quadrature._quadrature.cache_clear()
    assert fine == pytest.approx(coarse, rel=1e-4)


def test_published_table_is_reproduced():
    """Every entry that is printed as a number, to 0.015, and the others as inequalities."""
    for (latent_size, num_centres), (bandwidth, corrected) in BANDWIDTHS.items():
        found = exact_avae_bandwidth(latent_size, num_centres)
        assert corrected_bandwidth(found) == pytest.approx(corrected, abs=0.015)
        assert found > 1 if bandwidth is None else found == pytest.approx(bandwidth, abs=0.015)
    assert len(BANDWIDTHS) == 30 and sum(bandwidth is None for bandwidth, _ in BANDWIDTHS.values()) == 15


@pytest.mark.parametrize(
    ("latent_size", "num_centres", "message"),
    [
        (0, 5, "latent_size = 0: use 1 or more"),
        (5, 0, "num_centres = 0: use 1 or more"),
        (1001, 5, "latent_size = 1001: .* up to 1000; simulate"),
        (5, 1_000_001, "num_centres = 1000001: .* up to 1000000; simulate"),
    ],
)
def test_quadrature_refuses_numbers_outside_its_range(latent_size, num_centres, message):
    with pytest.raises(ValueError, match=message):
        exact_avae_bandwidth(latent_size, num_centres)


@pytest.mark.parametrize(("latent_size", "num_centres", "name"), [(0, 5, "latent_size"), (5, 0, "num_centres")])
def test_expectation_refuses_numbers_below_one(latent_size, num_centres, name):
    with pytest.raises(ValueError, match=f"{name} = 0: use 1 or more"):
        expected_log_density(latent_size, num_centres, 0.5)


# ---- table


@pytest.mark.parametrize(
    ("latent_size", "num_centres"), [(1, 70), (3, 3000), (6, 40_000), (14, 330), (83, 7000), (170, 60)]
)
def test_table_between_its_entries_is_the_expectation(latent_size, num_centres):
    assert tabulated_bandwidth(latent_size, num_centres) == pytest.approx(
        exact_avae_bandwidth(latent_size, num_centres), rel=2e-3
    )


def test_table_between_its_entries_is_the_simulation(getkey):
    found = avae_bandwidth(15, 700, key=getkey(), num_trials=6)
    assert abs(tabulated_bandwidth(15, 700) - found.estimate) < 5 * found.standard_error


def test_table_is_smooth_for_numbers_that_are_not_whole():
    values = [tabulated_bandwidth(x, 1000) for x in np.linspace(2, 40, 200)]
    steps = np.diff(values)
    assert np.all(steps > 0) and np.all(np.diff(steps) < 1e-6)


@pytest.mark.parametrize(
    ("latent_size", "num_centres", "message"),
    [
        (0.5, 1000, "latent_size = 0.5: the table goes from 1 to 200"),
        (201, 1000, "latent_size = 201: the table"),
        (10, 49, "num_centres = 49: the table goes from 50 to 50,000"),
        (10, 50_001, "num_centres = 50001: the table"),
        (math.nan, 1000, "latent_size = nan: the table"),
    ],
)
def test_table_refuses_what_is_outside(latent_size, num_centres, message):
    with pytest.raises(ValueError, match=message):
        tabulated_bandwidth(latent_size, num_centres)
