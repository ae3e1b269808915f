"""NumPy's random numbers from a JAX key, for work that is not JAX's."""

import jax
import numpy as np
from jaxtyping import Array, Key

from vrrae_lab.checks import check_key


def generator(key: Key[Array, ""]) -> np.random.Generator:
    """NumPy's generator, seeded by the key: float64 in every setting of jax, and nothing to compile.

    Raises:
        TypeError: if it is no key.
    """
    check_key(key)
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
