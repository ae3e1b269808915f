"""Kernel densities and the aggregate posterior, against naive sums, scipy and scikit-learn."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KernelDensity as SklearnKernelDensity

from vrrae_lab.density import AggregatePosterior, KernelDensity, best_bandwidth, corrected_bandwidth, kernel
from vrrae_lab.gaussian import DiagonalGaussian

pytestmark = pytest.mark.usefixtures("quick_compilation")

RNG = np.random.default_rng(0)
POINTS, QUERIES = RNG.normal(size=(23, 3)) + 2, RNG.normal(size=(11, 3)) + 2
LOG_VARIANCE = RNG.normal(size=POINTS.shape)
BLOCK_SIZES = [1, 4, 11, 23, 100]  # 4 divides neither number


def naive_mixture(means, deviations, z):
    """Log density of a mixture of diagonal Gaussians in float64, one query at a time."""
    result = []
    for query in np.asarray(z, float):
        terms = ((query - means) / deviations) ** 2 + 2 * np.log(deviations) + math.log(2 * math.pi)
        result.append(np.logaddexp.reduce(-terms.sum(axis=1) / 2) - math.log(len(means)))
    return np.array(result)


def naive_kernels(points, bandwidth, z):
    points = np.asarray(points, float)
    return naive_mixture(points, np.full(points.shape, float(bandwidth)), z)


def difference_quotients(function, x, step=1e-5):
    """Gradient of a scalar function of an array by central differences."""
    gradient = np.zeros(np.shape(x))
    for index in np.ndindex(gradient.shape):
        there = np.zeros(gradient.shape)
        there[index] = step
        gradient[index] = (function(x + there) - function(x - there)) / (2 * step)
    return gradient


# ---- kernel density: value


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_log_density_is_the_naive_sum(x64, block_size):
    ours = KernelDensity(POINTS, 0.6, block_size=block_size).log_density(jnp.asarray(QUERIES))
    np.testing.assert_allclose(ours, naive_kernels(POINTS, 0.6, QUERIES), rtol=1e-13)


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_leave_one_out_is_removing_the_point(x64, block_size):
    ours = KernelDensity(POINTS, 0.6, block_size=block_size).leave_one_out()
    for i, point in enumerate(POINTS):
        assert ours[i] == pytest.approx(naive_kernels(np.delete(POINTS, i, 0), 0.6, point[None])[0], rel=1e-13)


@pytest.mark.parametrize(("bandwidth", "dimension"), [(0.7, 128), (0.05, 16), (1e-3, 2)])
def test_accuracy_in_float32_is_the_one_stated(bandwidth, dimension):
    """Centred, hence as good far from the origin, but for the rounding of the points themselves."""
    points = np.float32(RNG.normal(size=(300, dimension)))
    queries = points[:50] + np.float32(bandwidth * RNG.normal(size=(50, dimension)))
    for offset in (0, 512):
        there, z = points + np.float32(offset), queries + np.float32(offset)
        ours = KernelDensity(there, bandwidth).log_density(jnp.asarray(z))
        assert ours.dtype == jnp.float32
        squares = ((z.astype(float) - offset) ** 2).sum(1) + ((there.astype(float) - offset) ** 2).sum(1).max()
        normaliser = dimension * (abs(math.log(bandwidth)) + 1)  # of which a large dimension makes a large number
        stated = np.finfo(np.float32).eps * (2 * squares / bandwidth**2 + normaliser)
        assert np.all(np.abs(ours - naive_kernels(there, bandwidth, z)) < stated)


def test_dtype_is_that_of_the_points(x64):
    for dtype in (jnp.float32, jnp.float64):
        density_ = KernelDensity(jnp.asarray(POINTS, dtype), 0.5)
        assert density_.bandwidth.dtype == density_.log_density(jnp.asarray(QUERIES, dtype)).dtype == dtype
        assert density_.leave_one_out().dtype == density_.sample(2, key=jax.random.key(0)).dtype == dtype


def test_log_density_far_away_is_finite_and_right():
    """Every kernel underflows there, in float64 too."""
    z = np.float32([[300.0, 0, 0], [-1e4, 1e4, 2]])
    ours = KernelDensity(np.float32(POINTS), 0.1).log_density(jnp.asarray(z))
    wanted = naive_kernels(np.float32(POINTS), 0.1, z)
    assert np.all(wanted < -1e6) and np.all(np.isfinite(ours))
    np.testing.assert_allclose(ours, wanted, rtol=1e-6)


def test_density_at_its_only_point(x64):
    """The kernel's peak, with no gradient and the curvature of a Gaussian."""
    one = KernelDensity(POINTS[:1], 0.5)
    at = jnp.asarray(POINTS[:1])
    assert one.log_density(at)[0] == pytest.approx(-1.5 * math.log(2 * math.pi * 0.25), rel=1e-13)
    np.testing.assert_array_equal(jax.grad(lambda z: one.log_density(z)[0])(at), 0)
    curvature = jax.hessian(lambda z: one.log_density(z[None])[0])(at[0])
    np.testing.assert_allclose(curvature, -4 * np.eye(3), rtol=1e-12)


# ---- kernel density: gradient


def test_gradients_are_the_difference_quotients(x64):
    """In the points, the bandwidth and the query; also of the leave-one-out density."""
    weights = jnp.asarray(RNG.normal(size=len(QUERIES)))
    arguments = (jnp.asarray(POINTS), jnp.asarray(0.6), jnp.asarray(QUERIES))

    def value(points, bandwidth, z):
        return jnp.sum(weights * KernelDensity(points, bandwidth, block_size=4).log_density(z))

    def naive(points, bandwidth, z):
        return np.sum(weights * naive_kernels(points, bandwidth, z))

    for i, ours in enumerate(jax.grad(value, (0, 1, 2))(*arguments)):
        others = [np.asarray(a) for a in arguments]
        wanted = difference_quotients(lambda x, i=i, o=others: naive(*o[:i], x, *o[i + 1 :]), others[i])  # noqa: B023
        np.testing.assert_allclose(ours, wanted, rtol=1e-6, atol=1e-8)


def test_gradients_of_leave_one_out_are_the_difference_quotients(x64):
    few, weights = POINTS[:7], RNG.normal(size=7)

    def value(points, bandwidth):
        return jnp.sum(jnp.asarray(weights) * KernelDensity(points, bandwidth, block_size=4).leave_one_out())

    def naive(points, h):
        return sum(w * naive_kernels(np.delete(points, i, 0), h, points[[i]])[0] for i, w in enumerate(weights))

    by_points, by_bandwidth = jax.grad(value, (0, 1))(jnp.asarray(few), jnp.asarray(0.6))
    np.testing.assert_allclose(by_points, difference_quotients(lambda x: naive(x, 0.6), few), rtol=1e-6, atol=1e-8)
    assert by_bandwidth == pytest.approx(float(difference_quotients(lambda h: naive(few, h), np.array(0.6))), rel=1e-6)


# ---- kernel density: other people's


def test_scikit_learn_has_the_same_convention(x64):
    """Its bandwidth is the standard deviation of the kernel, like ours."""
    theirs = SklearnKernelDensity(kernel="gaussian", bandwidth=0.37).fit(POINTS).score_samples(QUERIES)
    np.testing.assert_allclose(KernelDensity(POINTS, 0.37).log_density(jnp.asarray(QUERIES)), theirs, rtol=1e-12)


def test_scipy_multiplies_its_factor_by_the_covariance(x64):
    """Its kernels have the covariance of the data times factor²: ours on whitened data, plus the change of units."""
    theirs = stats.gaussian_kde(POINTS.T, bw_method=0.37)
    to_white = np.linalg.inv(np.linalg.cholesky(np.cov(POINTS.T))).T
    ours = KernelDensity(POINTS @ to_white, 0.37).log_density(jnp.asarray(QUERIES @ to_white))
    ours = ours + np.linalg.slogdet(to_white)[1]
    np.testing.assert_allclose(ours, theirs.logpdf(QUERIES.T), rtol=1e-10)


# ---- kernel density: a density, and its samples


def test_integrates_to_one(x64):
    """By the rectangle rule, whose error falls faster than any power for a smooth function that vanishes outside."""
    grid = np.linspace(-12, 16, 561)
    for dimension in (1, 2):
        kernels = KernelDensity(POINTS[:, :dimension], 0.4)
        z = np.stack(np.meshgrid(*[grid] * dimension), axis=-1).reshape(-1, dimension)
        integral = np.exp(kernels.log_density(jnp.asarray(z))).sum() * (grid[1] - grid[0]) ** dimension
        assert integral == pytest.approx(1, abs=1e-9)


def test_samples_have_the_moments_of_the_mixture(x64, getkey):
    z = np.asarray(KernelDensity(POINTS, 0.8).sample(20_000, key=getkey()))
    covariance = np.cov(POINTS.T, bias=True) + 0.64 * np.eye(3)
    deviation = np.sqrt(np.diag(covariance))
    assert z.shape == (20_000, 3)
    assert np.all(np.abs(z.mean(0) - POINTS.mean(0)) < 5 * deviation / math.sqrt(20_000))
    # the products that make up a covariance have a standard deviation of about √2 times that of their factors
    assert np.all(np.abs(np.cov(z.T) - covariance) < 5 * math.sqrt(2 / 20_000) * np.outer(deviation, deviation))


def test_samples_are_a_function_of_the_key(getkey):
    kernels, key = KernelDensity(np.float32(POINTS), 0.8), getkey()
    np.testing.assert_array_equal(kernels.sample(5, key=key), kernels.sample(5, key=key))
    assert not np.any(kernels.sample(5, key=key) == kernels.sample(5, key=getkey()))


# ---- aggregate posterior


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_aggregate_posterior_is_the_naive_sum(x64, block_size):
    posterior = DiagonalGaussian(jnp.asarray(POINTS), jnp.asarray(LOG_VARIANCE))
    ours = AggregatePosterior(posterior, block_size).log_density(jnp.asarray(QUERIES))
    np.testing.assert_allclose(ours, naive_mixture(POINTS, np.exp(LOG_VARIANCE / 2), QUERIES), rtol=1e-13)


def test_aggregate_posterior_of_equal_variances_is_a_kernel_density(x64):
    posterior = DiagonalGaussian(jnp.asarray(POINTS), jnp.full(POINTS.shape, 2 * math.log(0.3)))
    z = jnp.asarray(QUERIES)
    ours, kernels = AggregatePosterior(posterior).log_density(z), KernelDensity(POINTS, 0.3).log_density(z)
    np.testing.assert_allclose(ours, kernels, rtol=1e-12)


def test_gradients_of_the_aggregate_posterior_are_the_difference_quotients(x64):
    arguments = [POINTS[:5], LOG_VARIANCE[:5], QUERIES[:6]]

    def value(mean, log_variance, z):
        return jnp.sum(AggregatePosterior(DiagonalGaussian(mean, log_variance), 4).log_density(z) ** 2)

    def naive(mean, log_variance, z):
        return np.sum(naive_mixture(mean, np.exp(log_variance / 2), z) ** 2)

    for i, ours in enumerate(jax.grad(value, (0, 1, 2))(*map(jnp.asarray, arguments))):
        wanted = difference_quotients(lambda x, i=i: naive(*arguments[:i], x, *arguments[i + 1 :]), arguments[i])
        np.testing.assert_allclose(ours, wanted, rtol=1e-6, atol=1e-7)


def test_narrow_posteriors_keep_their_precision():
    """Standard deviations of 1e-4 in float32, where |z|²/s² is 1e9 and its rounding several nats."""
    mean = np.float32(POINTS * 3)
    posterior = DiagonalGaussian(jnp.asarray(mean), jnp.full(mean.shape, np.float32(2 * math.log(1e-4))))
    z = mean[:5] + np.float32(1e-4 * RNG.normal(size=(5, 3)))
    wanted = naive_mixture(mean.astype(float), np.full(mean.shape, 1e-4), z)
    np.testing.assert_allclose(AggregatePosterior(posterior).log_density(jnp.asarray(z)), wanted, atol=1e-4)


def test_samples_of_the_aggregate_posterior_have_its_moments(x64, getkey):
    posterior = DiagonalGaussian(jnp.asarray(POINTS), jnp.asarray(LOG_VARIANCE))
    z = np.asarray(AggregatePosterior(posterior).sample(20_000, key=getkey()))
    variance = POINTS.var(0) + np.exp(LOG_VARIANCE).mean(0)
    fourth = stats.kurtosis(z, fisher=False)
    assert np.all(np.abs(z.mean(0) - POINTS.mean(0)) < 5 * np.sqrt(variance / 20_000))
    assert np.all(np.abs(z.var(0) / variance - 1) < 5 * np.sqrt(fourth / 20_000))


# ---- memory


def temporary_megabytes(function, *shapes):
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return jax.jit(function).lower(*shapes).compile().memory_analysis().temp_size_in_bytes / 1e6


def test_memory_of_20_000_times_20_000_is_bounded():
    """All distances at once would be 1600 MB, and their gradient several times that."""
    many = (20_000, 128)

    def log_density(points, bandwidth, z):
        return KernelDensity(points, bandwidth).log_density(z).sum()

    def leave_one_out(points, bandwidth):
        return KernelDensity(points, bandwidth).leave_one_out().sum()

    def aggregate(mean, log_variance, z):
        return AggregatePosterior(DiagonalGaussian(mean, log_variance)).log_density(z).sum()

    assert temporary_megabytes(jax.value_and_grad(log_density, (0, 1, 2)), many, (), many) < 400
    assert temporary_megabytes(jax.value_and_grad(leave_one_out, (0, 1)), many, ()) < 400
    assert temporary_megabytes(jax.value_and_grad(aggregate, (0, 1, 2)), many, many, many) < 1000


def test_another_bandwidth_does_not_compile_again():
    z = jnp.float32(QUERIES)
    KernelDensity(np.float32(POINTS), 0.5).log_density(z)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "map_blocks", None)  # tracing would call it
        KernelDensity(np.float32(POINTS) + 1, 0.7).log_density(z)


# ---- bandwidths


def test_corrected_bandwidth_gives_the_prior_back():
    for bandwidth in (0.1, 0.72, 1.12, 30.0):
        corrected = corrected_bandwidth(bandwidth)
        assert 0 < corrected < 1
        # kernels of variance h² on N(0, I) have the variance 1 + h²: in units in which that is 1, h is corrected
        assert corrected**2 * (1 + bandwidth**2) == pytest.approx(bandwidth**2)


def test_best_bandwidth_is_the_maximum_and_stays_within_its_bounds():
    assert best_bandwidth(lambda h: -((math.log(h) - math.log(0.7)) ** 2)) == pytest.approx(0.7, rel=2e-4)
    assert best_bandwidth(lambda h: -h, low=0.1) == pytest.approx(0.1, rel=2e-4)
    assert best_bandwidth(lambda h: h, high=2) == pytest.approx(2, rel=2e-4)
    with pytest.raises(ValueError, match="low = 2, high = 1"):
        best_bandwidth(lambda h: h, low=2, high=1)


@pytest.mark.usefixtures("unchecked")
def test_points_that_are_whole_numbers_are_points():
    whole = np.array([[0, 1], [2, 5], [7, 3]])
    found = KernelDensity(whole, 1.9)
    assert found.bandwidth == np.float32(1.9)
    wanted = KernelDensity(whole.astype(np.float32), 1.9)
    np.testing.assert_array_equal(found.leave_one_out(), wanted.leave_one_out())


# ---- bad input


@pytest.mark.parametrize("bandwidth", [0.0, -1.0, math.nan, math.inf])
def test_bandwidth_is_positive_and_finite(bandwidth):
    with pytest.raises(ValueError, match="bandwidth = .*: use a positive finite standard deviation"):
        KernelDensity(np.float32(POINTS), bandwidth)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), ()])
def test_points_are_one_per_row(shape):
    with pytest.raises(ValueError, match="the points have shape"):
        KernelDensity(np.ones(shape, np.float32), 0.5)
    with pytest.raises(ValueError, match="the means have shape"):
        AggregatePosterior(DiagonalGaussian(jnp.ones(shape), jnp.ones(shape)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_are_finite(value):
    bad = np.float32(POINTS)
    bad[2, 1] = value
    good = jnp.zeros(bad.shape)
    with pytest.raises(ValueError, match="the points contain NaN or infinity"):
        KernelDensity(bad, 0.5)
    with pytest.raises(ValueError, match="the means contain NaN or infinity"):
        AggregatePosterior(DiagonalGaussian(jnp.asarray(bad), good))
    with pytest.raises(ValueError, match="the log variances contain NaN or infinity"):
        AggregatePosterior(DiagonalGaussian(good, jnp.asarray(bad)))


@pytest.mark.parametrize("size", [0, -1])
def test_blocks_hold_a_query_or_more(size):
    with pytest.raises(ValueError, match=f"block_size = {size}"):
        KernelDensity(np.float32(POINTS), 0.5, block_size=size)
    with pytest.raises(ValueError, match=f"block_size = {size}"):
        AggregatePosterior(DiagonalGaussian(jnp.ones((2, 3)), jnp.ones((2, 3))), size)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(5, 2), (5, 1), (3,)])
def test_queries_have_the_dimension_of_the_points(shape):
    for mixture in (
        KernelDensity(np.float32(POINTS), 0.5),
        AggregatePosterior(DiagonalGaussian(jnp.ones((2, 3)), jnp.ones((2, 3)))),
    ):
        with pytest.raises(ValueError, match="one query per row, of dimension 3"):
            mixture.log_density(jnp.ones(shape))


def test_nothing_is_left_when_the_only_point_is_left_out():
    with pytest.raises(ValueError, match="give 2 or more"):
        KernelDensity(np.float32(POINTS[:1]), 0.5).leave_one_out()
