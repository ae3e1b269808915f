"""Every metric of sample sets refuses the same bad input, naming the value and the remedy."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab import metrics

pytestmark = pytest.mark.usefixtures("unchecked")  # so that the library's own checks are met, as by its users

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
GOOD = RNG.normal(size=(24, 3))

# Of two sets: the function, the least number of samples and the names of its arguments.
PAIRS: list[tuple[Callable, int, tuple[str, str]]] = [
    (metrics.frechet_distance, 2, ("x", "y")),
    (metrics.kernel_distance, 2, ("x", "y")),
    (lambda x, y: metrics.mean_kernel_distance(x, y, num_blocks=4, key=KEY), 8, ("x", "y")),
    (metrics.energy_distance, 1, ("x", "y")),
    (lambda x, y: metrics.two_sample_test(x, y, num_permutations=9, key=KEY), 2, ("x", "y")),
    (lambda x, y: metrics.prd(x, y, num_clusters=2, num_runs=1, key=KEY), 1, ("real", "generated")),
    (metrics.improved_precision_recall, 4, ("real", "generated")),
]
SINGLE: list[tuple[Callable, int, str]] = [
    (lambda z: metrics.leave_one_out_entropy(z, 0.5), 2, "z"),
    (lambda z: metrics.latent_entropy(z, 0.5, num_repeats=2, key=KEY), 2, "z"),
    (lambda x: metrics.same_distribution_floor(metrics.energy_distance, x, (1, 1), num_repeats=2, key=KEY), 1, "x"),
    (metrics.active_units, 1, "means"),
]
# Every argument of every function, the other one being good.
ARGUMENTS = [
    *SINGLE,
    *((lambda x, f=f: f(x, GOOD), least, names[0]) for f, least, names in PAIRS),
    *((lambda y, f=f: f(GOOD, y), least, names[1]) for f, least, names in PAIRS),
]


@pytest.mark.parametrize(("function", "least", "name"), ARGUMENTS)
def test_wrong_input_is_refused(function: Callable, least: int, name: str) -> None:
    for value in (np.nan, np.inf, -np.inf):
        bad = GOOD.copy()
        bad[5, 1] = value
        with pytest.raises(ValueError, match=f"^{name} contains NaN or infinity: remove those rows"):
            function(bad)
    for shape in ((24,), (24, 3, 1), (24, 0)):
        with pytest.raises(ValueError, match=rf"^{name} has shape \(24,.*\): give one sample per row"):
            function(np.ones(shape))
    with pytest.raises(ValueError, match=f"^{name} has {least - 1} samples: give {least} or more"):
        function(GOOD[: least - 1])


@pytest.mark.parametrize(("function", "least", "names"), PAIRS)
def test_sets_of_different_dimension_are_refused(function: Callable, least: int, names: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=f"{names[0]} has dimension 3 and {names[1]} 2: give samples of one space"):
        function(GOOD, GOOD[:, :2])


@pytest.mark.parametrize(("function", "least", "names"), PAIRS)
def test_arrays_of_jax_and_float32_are_computed_in_float64(
    function: Callable, least: int, names: tuple[str, str]
) -> None:
    x, y = (RNG.normal(size=(24, 3)).astype(np.float32) for _ in range(2))
    wanted = np.asarray(function(x.astype(float), y.astype(float)))
    np.testing.assert_array_equal(np.asarray(function(x, y)), wanted)
    np.testing.assert_array_equal(np.asarray(function(jnp.asarray(x), jnp.asarray(y))), wanted)


def test_the_least_numbers_of_samples_are_enough() -> None:
    for function, least, _ in PAIRS:
        assert np.isfinite(np.asarray(function(GOOD[:least], GOOD[-least:]))).all()
