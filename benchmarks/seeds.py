"""How to train several seeds of one model: one after another, or side by side in one vmapped step?"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import peers
from benchmarks.measure import Row, interleaved, ratio
from vrrae_lab.models import build


def rows(fast: bool) -> list[Row]:
    """Milliseconds for one step of all seeds."""
    size, batch_size, num_seeds = (16, 8, 2) if fast else (32, 64, 4)
    batch = jnp.asarray(np.random.default_rng(0).random((batch_size, size, size, 1), np.float32))
    keys = jax.random.split(jax.random.key(0), num_seeds)
    table = []
    for name, candidate in peers.candidates((size, size, 1), 20 if fast else 200, 2, fast).items():

        def start(key: jax.Array, candidate: Any = candidate) -> Any:
            return peers.start(build(candidate.constructor, dict(candidate.arguments), key=key))

        step = peers.update(peers.our_loss(candidate))
        one, side_by_side = eqx.filter_jit(step), eqx.filter_jit(eqx.filter_vmap(step, in_axes=((None, 0), 0)))
        states, stacked = [start(key) for key in keys], eqx.filter_vmap(start)(keys)
        # the loops close over this model's states, and are used before the next model replaces them
        times = interleaved(
            {
                "one after another": lambda: [one((batch, k), s) for k, s in zip(keys, states, strict=True)],  # noqa: B023
                "vmapped": lambda: side_by_side((batch, keys), stacked),  # noqa: B023
            },
            0.1 if fast else 5,
        )
        label = {"model": name, "seeds": num_seeds, "pixels": f"{size}×{size}"}
        table.append(label | times | {"vmapped / one after another": ratio(times, "vmapped", "one after another")})
    return table
