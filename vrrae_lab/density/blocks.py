"""What the kernel density and the aggregate posterior share: work in blocks of queries, and checks of arguments."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from vrrae_lab.checks import check_array, check_at_least, check_key, check_memory
from vrrae_lab.sharding import on_each_device


def map_blocks(function: Callable[[Any], Array], queries: Any, block_size: int) -> Array:
    """`function` of all queries, called on blocks of `block_size` of them; a block's own arrays are not kept.

    Args:
        function: of a block of queries, to one number for each; see `sharding.on_each_device` for what it may hold.
        queries: arrays that have a row per query.
        block_size: 1 or more.
    """
    return on_each_device(eqx.Partial(_map_local_blocks, function, block_size), queries)


def _map_local_blocks(function: Callable[[Any], Array], block_size: int, queries: Any) -> Array:
    count = len(jax.tree.leaves(queries)[0])
    size = max(1, min(block_size, count))
    missing = -count % size

    def split(array: Array) -> Array:
        # the last block is filled up with the last query, so that nothing new, such as an infinity, can arise in it
        filled = jnp.pad(array, ((0, missing), *((0, 0) for _ in array.shape[1:])), mode="edge") if missing else array
        return filled.reshape(-1, size, *array.shape[1:])

    # the lambda because checkpoint hashes what it is given
    return lax.map(jax.checkpoint(lambda block: function(block)), jax.tree.map(split, queries)).reshape(-1)[:count]


def check_finite(name: str, array: Array) -> None:
    """Raise where a concrete array has NaN or infinity in it."""
    if not isinstance(array, jax.core.Tracer) and not np.isfinite(np.asarray(array)).all():
        raise ValueError(f"the {name} contain NaN or infinity: remove those rows, or mend what made them")


def check_draws(n: int, dimension: int, key: Array) -> None:
    """Raise where so many samples cannot be drawn."""
    check_at_least(1, "n", n)
    check_memory(12 * n * dimension, f"n = {n:,} draws in {dimension} dimensions")  # centres, noise and their sum
    check_key(key)


def check_queries(z: Array, points: Array) -> None:
    """Raise where queries are not rows of the points' dimension."""
    check_array("z", z)
    if z.ndim != 2 or z.shape[1] != points.shape[1]:
        raise ValueError(f"z has shape {z.shape}: give one query per row, of dimension {points.shape[1]}")
