"""NumPy's random numbers from a JAX key, for work that is not JAX's."""

import jax
import numpy as np
from jaxtyping import Array, Key


def generator(key: Key[Array, ""]) -> np.random.Generator:
    """NumPy's generator, seeded by the key: float64 in every setting of jax, and nothing to compile."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))
