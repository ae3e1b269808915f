"""The NumPy generator that a JAX key seeds."""

import jax
import numpy as np

from vrrae_lab.randomness import generator


def test_a_key_decides_the_draws() -> None:
    key, other = jax.random.split(jax.random.key(0))
    draws = generator(key).normal(size=5)
    assert draws.dtype == np.float64
    np.testing.assert_array_equal(generator(key).normal(size=5), draws)
    assert not np.isclose(generator(other).normal(size=5), draws).any()
