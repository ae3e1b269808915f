"""Memory a step needs beside weights, optimiser and images, as the compiled programs state it."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from benchmarks import peers
from benchmarks.measure import Row
from benchmarks.steps import FAST_SETTINGS, SETTINGS
from vrrae_lab.models import build


def rows(fast: bool) -> list[Row]:
    """MiB for the value and gradient of the VRRAE's loss."""
    table = []
    for setting, (size, batch, latent_size, rank) in (FAST_SETTINGS if fast else SETTINGS).items():
        candidate = peers.candidates((size, size, 1), latent_size, rank)["VRRAE"]
        model = build(candidate.constructor, dict(candidate.arguments), key=jax.random.key(0))
        x = jnp.zeros((batch, size, size, 1))

        def ours(model: Any, x: jax.Array, loss: Any = candidate.loss) -> jax.Array:
            return loss(model, x, key=jax.random.key(0))[0]

        def equinox(model: Any, x: jax.Array) -> jax.Array:
            return peers.whole_batch_loss(model, x, jax.random.key(0))

        sizes = {"ours": _temporary(ours, model, x), "Equinox": _temporary(equinox, peers.plain(model), x)}
        table.append(
            {"setting": f"{setting}, batch {batch}"} | sizes | {"Equinox / ours": sizes["Equinox"] / sizes["ours"]}
        )
    return table


def _temporary(loss: Any, model: Any, x: jax.Array) -> float:
    compiled = eqx.filter_jit(eqx.filter_value_and_grad(loss)).lower(model, x).compile()
    return compiled.compiled.memory_analysis().temp_size_in_bytes / 2**20
