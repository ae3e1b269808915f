"""How to train several seeds of one model: one after another, or side by side in one vmapped step?

    python -m benchmarks.seeds [--image-size 32] [--seeds 4] [--json FILE]

Prints the time of one step of all seeds each way, and their ratio, for the four models on the bumps.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from vrrae_lab import data
from vrrae_lab.experiments.comparison import four_models
from vrrae_lab.experiments.record import environment, markdown_table
from vrrae_lab.files import write_json
from vrrae_lab.models import build
from vrrae_lab.training import one_blas_thread

BATCH_SIZE = 64
ROUNDS = 9


def measure(image_size: int, num_seeds: int) -> list[dict[str, Any]]:
    """Medians over interleaved rounds, in milliseconds for one step of all seeds, for each model."""
    train = data.bumps(image_size=image_size)
    batch = jnp.asarray(train.x[:BATCH_SIZE])
    optimizer = optax.adabelief(1e-3)
    rows = []
    for name, candidate in four_models(train.shape, 200, 2, 1e-3, 1e-3).items():
        keys = jax.random.split(jax.random.key(0), num_seeds)

        def start(key: jax.Array, candidate: Any = candidate) -> Any:
            model = build(candidate.constructor, dict(candidate.arguments), key=key)
            return model, optimizer.init(eqx.filter(model, eqx.is_inexact_array))

        def step(state: Any, key: jax.Array, loss: Any = candidate.loss) -> Any:
            model, optimizer_state = state
            gradient = eqx.filter_grad(lambda m: loss(m, batch, key=key)[0])(model)
            updates, optimizer_state = optimizer.update(gradient, optimizer_state, model)
            return eqx.apply_updates(model, updates), optimizer_state

        one, side_by_side = eqx.filter_jit(step), eqx.filter_jit(eqx.filter_vmap(step))
        states, stacked = [start(key) for key in keys], eqx.filter_vmap(start)(keys)
        # the loops close over this model's states, and are used before the next model replaces them
        times = _interleaved(
            {
                "one after another": lambda: [one(s, k) for s, k in zip(states, keys, strict=True)],  # noqa: B023
                "vmapped": lambda: side_by_side(stacked, keys),  # noqa: B023
            }
        )
        rows.append(
            {"model": name, **times, "vmapped / one after another": times["vmapped"] / times["one after another"]}
        )
    return rows


def _interleaved(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Median milliseconds of each way; they take turns, so that a busy moment of the machine hits all of them."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(ROUNDS + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            jax.block_until_ready(jax.tree.leaves(eqx.filter(way(), eqx.is_array)))
            if round_number > 0:  # the first one compiles
                times[name].append(1000 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure, print, and write the record where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with one_blas_thread():  # as `fit` does
        rows = measure(arguments.image_size, arguments.seeds)
    cells = [[row["model"], *(f"{row[name]:.2f}" for name in list(row)[1:])] for row in rows]
    print(markdown_table(list(rows[0]), cells))
    if arguments.json:
        write_json(arguments.json, {"benchmark": "seeds", "rows": rows, **environment()})


if __name__ == "__main__":
    main()
