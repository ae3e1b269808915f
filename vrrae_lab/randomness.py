"""Random numbers that cost little to compile: initial weights, and NumPy's for work that is not JAX's."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.random import threefry2x32_p
from jaxtyping import Array, Float, Key, UInt32

from vrrae_lab.checks import check_key
from vrrae_lab.compilation import setting

PIECE = 2**16


def generator(key: Key[Array, ""]) -> np.random.Generator:
    """NumPy's generator, seeded by the key: float64 in every setting of jax, and nothing to compile.

    Raises:
        TypeError: if it is no key.
    """
    check_key(key)
    return np.random.default_rng(np.asarray(jax.random.key_data(key)))


def uniform(key: Key[Array, ""], shape: tuple[int, ...], limit: float) -> Float[Array, "..."]:
    """`jax.random.uniform(key, shape, minval=-limit, maxval=limit)` to the bit, from one program for all shapes.

    JAX compiles one for each shape, which takes most of the time that it takes to make a model.
    """
    ours = (
        jax.random.key_impl(key) == "threefry2x32" and setting("threefry_partitionable") and not setting("enable_x64")
    )
    if isinstance(key, jax.core.Tracer) or not ours:
        return jax.random.uniform(key, shape, minval=-limit, maxval=limit)
    pair, size = np.asarray(jax.random.key_data(key)), math.prod(shape)
    pieces = [_piece(pair, np.uint32(start), np.float32(limit)) for start in range(0, size, PIECE)]
    return jnp.asarray(np.concatenate(pieces)[:size].reshape(shape))


@jax.jit
def _piece(pair: UInt32[Array, "2"], start: UInt32[Array, ""], limit: Float[Array, ""]) -> Float[Array, " piece"]:
    """The numbers from `start` on, as JAX makes them: each is a hash of the key and of its place."""
    place = start + lax.iota(jnp.uint32, PIECE)
    first, second = (jnp.broadcast_to(half, PIECE) for half in pair)
    high, low = threefry2x32_p.bind(first, second, jnp.zeros_like(place), place)
    fraction = lax.shift_right_logical(high ^ low, jnp.uint32(9)) | jnp.uint32(0x3F800000)  # of a float from 1 to 2
    return jnp.maximum(-limit, (lax.bitcast_convert_type(fraction, jnp.float32) - 1) * (limit - -limit) + -limit)


def linear(in_features: int, out_features: int, *, use_bias: bool = True, key: Key[Array, ""]) -> eqx.nn.Linear:
    """`equinox.nn.Linear`, its weights drawn by `uniform`."""
    empty = eqx.filter_eval_shape(eqx.nn.Linear, in_features, out_features, use_bias=use_bias, key=key)
    keys, limit = jax.random.split(key), 1 / math.sqrt(in_features)
    parts = [part for part in (empty.weight, empty.bias) if part is not None]
    drawn = [uniform(k, part.shape, limit) for k, part in zip(keys, parts, strict=False)]
    return eqx.tree_at(jax.tree.leaves, empty, drawn)
