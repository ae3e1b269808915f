"""Initial weights are JAX's and Equinox's own to the bit, and a JAX key seeds a NumPy generator."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vrrae_lab.randomness import PIECE, generator, linear, uniform


def test_a_key_decides_the_draws() -> None:
    key, other = jax.random.split(jax.random.key(0))
    draws = generator(key).normal(size=5)
    assert draws.dtype == np.float64
    np.testing.assert_array_equal(generator(key).normal(size=5), draws)
    assert not np.isclose(generator(other).normal(size=5), draws).any()


@pytest.mark.parametrize("shape", [(), (3, 3, 1, 32), (PIECE,), (2, PIECE + 1)])
def test_uniform_numbers_are_those_of_jax(shape: tuple[int, ...]) -> None:
    key, limit = jax.random.key(4), 0.3141
    expected = jax.random.uniform(key, shape, minval=-limit, maxval=limit)
    np.testing.assert_array_equal(uniform(key, shape, limit), expected, strict=True)
    np.testing.assert_array_equal(jax.jit(lambda k: uniform(k, shape, limit))(key), expected, strict=True)


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_linear_layer_starts_as_that_of_equinox(use_bias: bool) -> None:
    key = jax.random.key(5)
    expected = eqx.nn.Linear(30, 7, use_bias=use_bias, key=key)
    assert eqx.tree_equal(linear(30, 7, use_bias=use_bias, key=key), expected, typematch=True)


@pytest.mark.usefixtures("x64")
def test_other_precisions_and_generators_are_left_to_jax() -> None:
    assert uniform(jax.random.key(0), (3,), 1.0).dtype == jnp.float64
    assert uniform(jax.random.key(0, impl="rbg"), (3,), 1.0).shape == (3,)
