"""Bandwidths chosen from points: against scipy, scikit-learn, naive sums and what is known of each rule."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.neighbors import KernelDensity as SklearnKernelDensity

from vrrae_lab.density import (
    KernelDensity,
    avae_reference,
    exact_avae_bandwidth,
    improved_sheather_jones,
    least_squares_cross_validation,
    least_squares_score,
    likelihood_cross_validation,
    points_scale,
    scott,
    scott_factor,
    sheather_jones,
    silverman,
    silverman_factor,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")

SELECTORS = [
    scott,
    silverman,
    avae_reference,
    likelihood_cross_validation,
    least_squares_cross_validation,
    improved_sheather_jones,
]
CROSS_VALIDATION = [likelihood_cross_validation, least_squares_cross_validation]


def normal(count, dimension, seed=0):
    return np.random.default_rng(seed).normal(size=(count, dimension))


def two_clusters(gap):
    half = normal(300, 1)
    return np.concatenate([half - gap / 2, normal(300, 1, seed=1) + gap / 2])


# ---- rules of thumb, and what other libraries call by their names


@pytest.mark.parametrize(("count", "dimension"), [(50, 1), (300, 3), (40, 10)])
def test_factors_are_those_of_scipy(count, dimension):
    theirs = stats.gaussian_kde(normal(count, dimension).T)
    assert scott_factor(count, dimension) == pytest.approx(theirs.scotts_factor())
    assert silverman_factor(count, dimension) == pytest.approx(theirs.silverman_factor())


@pytest.mark.parametrize(("rule", "name"), [(scott, "scott"), (silverman, "silverman")])
def test_on_a_line_scipy_has_the_same_density(rule, name, x64):
    points, z = 5 + 3 * normal(60, 1), np.linspace(-5, 15, 9)[:, None]
    theirs = stats.gaussian_kde(points.T, bw_method=name)
    assert rule(points) == pytest.approx(math.sqrt(theirs.covariance[0, 0]))
    np.testing.assert_allclose(KernelDensity(points, rule(points)).log_density(jnp.asarray(z)), theirs.logpdf(z.T))


@pytest.mark.parametrize(("factor", "name"), [(scott_factor, "scott"), (silverman_factor, "silverman")])
def test_scikit_learn_takes_the_factor_for_the_bandwidth(factor, name, x64):
    points, z = 5 + 3 * normal(60, 2), 5 + normal(7, 2)
    theirs = SklearnKernelDensity(bandwidth=name).fit(points)
    assert theirs.bandwidth_ == pytest.approx(factor(60, 2))
    ours = KernelDensity(points, factor(60, 2)).log_density(jnp.asarray(z))
    np.testing.assert_allclose(ours, theirs.score_samples(z), rtol=1e-12)
    # so its density is the rule's for points of unit scale only
    for rule in (scott, silverman):
        assert rule(points / points_scale(points)) == pytest.approx(rule(points) / points_scale(points))


def test_scale_is_the_root_of_the_mean_variance():
    points = normal(40, 3) * [1, 2, 5]
    assert points_scale(points) == pytest.approx(math.sqrt(np.trace(np.cov(points.T)) / 3))


def test_silverman_is_best_for_a_gaussian(x64):
    """Of the asymptotic error's two terms, variance and squared bias, in two dimensions."""
    count, dimension = 5000, 2

    def error(h):
        variance = 1 / (count * (4 * math.pi) ** (dimension / 2) * h**dimension)
        roughness = (dimension**2 + 2 * dimension) / 4 / (4 * math.pi) ** (dimension / 2)
        return variance + h**4 / 4 * roughness

    h = silverman_factor(count, dimension)
    assert error(h) < min(error(0.99 * h), error(1.01 * h))


def test_avae_reference_is_that_of_the_prior_in_units_of_the_points():
    points = normal(120, 4)
    assert avae_reference(3 * points) == pytest.approx(3 * points_scale(points) * exact_avae_bandwidth(4, 120))


# ---- cross-validation


def naive_log_densities(points, h, others):
    """Of each point under kernels on all points, or on all others."""
    result = []
    for i, point in enumerate(points):
        centres = np.delete(points, i, 0) if others else points
        terms = -((point - centres) ** 2).sum(1) / (2 * h**2) - points.shape[1] * math.log(h * math.sqrt(2 * math.pi))
        result.append(np.logaddexp.reduce(terms) - math.log(len(centres)))
    return np.array(result)


@pytest.mark.parametrize("dimension", [1, 3])
def test_likelihood_cross_validation_is_the_maximum(dimension, x64):
    points = 2 * normal(50, dimension)
    found = likelihood_cross_validation(points)
    grid = found * np.geomspace(0.1, 10, 41)
    naive = [naive_log_densities(points, h, others=True).mean() for h in grid]
    assert np.argmax(naive) == 20
    assert naive[20] > max(naive_log_densities(points, found * f, others=True).mean() for f in (0.998, 1.002))


def test_least_squares_score_is_the_integral_in_closed_form(x64):
    points = np.concatenate([normal(15, 1), 2 * normal(10, 1, seed=1) + 4])
    for h in (0.15, 0.6, 2.0):
        kernels = KernelDensity(points, h)

        def square(z, kernels=kernels):
            return float(jnp.exp(2 * kernels.log_density(jnp.full((1, 1), z))[0]))

        integral, _ = integrate.quad(square, -15, 20, limit=400, points=list(points[:, 0]))
        wanted = integral - 2 * np.exp(naive_log_densities(points, h, others=True)).mean()
        assert least_squares_score(points, h) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("dimension", [1, 2])
def test_least_squares_cross_validation_is_the_minimum(dimension, x64):
    points = 0.3 * normal(80, dimension)
    found = least_squares_cross_validation(points)

    def naive(h):
        squares = ((points[:, None] - points[None]) ** 2).sum(2)
        overlap = np.exp(-squares / (4 * h**2)).mean() / (4 * math.pi * h**2) ** (dimension / 2)
        return overlap - 2 * np.exp(naive_log_densities(points, h, others=True)).mean()

    assert least_squares_score(points, found) == pytest.approx(naive(found), rel=1e-9)
    scores = [naive(found * f) for f in np.geomspace(0.1, 8, 61)]
    assert naive(found) <= min(scores) and naive(found) < min(naive(0.995 * found), naive(1.005 * found))


def test_least_squares_estimates_the_error_but_for_a_constant(x64):
    """On average over samples: the integrated squared error less the integral of the squared true density."""
    h, differences = 0.5, []
    z = np.linspace(-7, 7, 400)[:, None]
    truth = stats.norm.pdf(z[:, 0])
    for seed in range(60):
        points = normal(40, 1, seed)
        density = np.exp(KernelDensity(points, h).log_density(jnp.asarray(z)))
        error = ((density - truth) ** 2 - truth**2).sum() * (z[1, 0] - z[0, 0])
        differences.append(least_squares_score(points, h) - error)
    assert abs(np.mean(differences)) < 4 * stats.sem(differences) < 0.05


@pytest.mark.parametrize("select", CROSS_VALIDATION)
def test_repeated_points_have_no_best_bandwidth(select):
    """A point under its own copy is the likelier the narrower the kernel."""
    points = np.repeat(normal(20, 2), 2, axis=0).astype(np.float32)
    with pytest.raises(ValueError, match="the smallest.*are points repeated"):
        select(points)


# ---- Sheather-Jones


def test_sheather_jones_is_near_the_best_for_a_gaussian():
    """Over twelve samples; the asymptotically best bandwidth is Silverman's."""
    for count, tolerance in ((500, 0.15), (5000, 0.05)):
        found = np.mean([improved_sheather_jones(normal(count, 1, seed)) for seed in range(12)])
        assert found == pytest.approx(silverman_factor(count, 1), rel=tolerance)


def test_sheather_jones_solves_its_equation():
    points = normal(200, 1)
    t = (improved_sheather_jones(points) / (1.2 * np.ptp(points))) ** 2
    squares = sheather_jones._squared_coefficients((points[:, 0] - points.min()) / (1.2 * np.ptp(points)) + 1 / 12)
    assert sheather_jones._plugged_in(t, squares, 200) == pytest.approx(t, rel=1e-6)


def test_squared_coefficients_give_the_roughness_of_a_density():
    """The integral of the squared second derivative of a Gaussian density that fills little of the interval."""
    deviation, count = 0.05, 200_000
    x = stats.norm.ppf((np.arange(count) + 0.5) / count, 0.5, deviation)
    squares = sheather_jones._squared_coefficients(x)
    t = 1e-4
    k = np.arange(1, len(squares) + 1)
    found = math.pi**4 / 2 * np.sum(k**4.0 * squares * np.exp(-((k * math.pi) ** 2) * t))
    variance = deviation**2 + t  # kernels of variance t widen it
    assert found == pytest.approx(3 / (8 * math.sqrt(math.pi) * variance**2.5), rel=1e-3)


def test_sheather_jones_sees_two_clusters_where_rules_of_thumb_see_one():
    points = two_clusters(gap=40)
    one_cluster = silverman_factor(300, 1)
    assert improved_sheather_jones(points) == pytest.approx(one_cluster, rel=0.25)
    for select in CROSS_VALIDATION:
        assert select(points.astype(np.float32)) == pytest.approx(one_cluster, rel=0.4)
    assert scott(points) > 10 * improved_sheather_jones(points)


def test_sheather_jones_is_for_one_dimension():
    with pytest.raises(ValueError, match="2 dimensions, and this rule is for 1"):
        improved_sheather_jones(normal(20, 2))


def test_sheather_jones_of_two_values_is_refused():
    with pytest.raises(ValueError, match="determine no bandwidth"):
        improved_sheather_jones(np.repeat([[0.0], [1.0]], 50, axis=0))


# ---- all


@pytest.mark.parametrize("select", SELECTORS)
def test_the_bandwidth_has_the_units_of_the_points(select, x64):
    points = normal(60, 1)
    found = select(points)
    assert isinstance(found, float) and found > 0
    for scale, offset in ((7, 100), (0.01, -3)):
        assert select(scale * points + offset) == pytest.approx(scale * found, rel=1e-3)


@pytest.mark.parametrize("select", SELECTORS[:-1])
def test_turning_the_points_changes_nothing(select, x64):
    points = normal(60, 3) * [1, 2, 3]
    turn = stats.ortho_group.rvs(3, random_state=0)
    assert select(points @ turn) == pytest.approx(select(points), rel=1e-3)


@pytest.mark.parametrize("select", SELECTORS)
def test_arrays_of_jax_and_float32_are_taken(select):
    points = normal(60, 1)
    assert select(jnp.asarray(points)) == pytest.approx(select(points), rel=1e-3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("select", SELECTORS)
def test_points_that_are_whole_numbers_are_taken(select):
    points = np.round(normal(60, 1) * 1000).astype(int)
    assert select(points) == pytest.approx(select(points.astype(np.float32)), rel=1e-3)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("select", SELECTORS)
def test_bad_points_are_refused(select):
    with_nan, with_infinity = normal(9, 1), normal(9, 1)
    with_nan[3], with_infinity[4] = np.nan, np.inf
    for points, message in (
        (with_nan, "NaN or infinity"),
        (with_infinity, "NaN or infinity"),
        (normal(1, 1), "there is 1 point"),
        (np.full((9, 1), 0.1), "all 9 points are equal"),
        (normal(9, 1)[:, 0], r"shape \(9,\): give one row per point"),
        (np.zeros((0, 1)), "give one row per point"),
    ):
        with pytest.raises(ValueError, match=message):
            select(points)
