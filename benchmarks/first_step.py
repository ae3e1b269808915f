"""What a first call costs, in a fresh process: with nothing compiled before, from the folder of compiled programs, and
again with every object made anew; plain Equinox beside it."""

import json
import os
import subprocess
import sys
import tempfile

from benchmarks.measure import Row

PROGRAM = """
import json, os, sys, time
import equinox as eqx, jax, numpy as np, optax
import vrrae_lab as vl

side, batch_size = map(int, sys.argv[1:])
x = np.random.default_rng(0).random((batch_size, side, side, 1), np.float32)
found = {}

def timed(name, call):
    started = time.process_time()
    result = call()
    jax.block_until_ready(eqx.filter(result, eqx.is_array))
    found[name] = [*found.get(name, []), time.process_time() - started]
    return result

def made():
    return vl.vrrae((side, side, 1), 100, 16, key=jax.random.key(0))

def fitted():
    loss, optimizer = vl.losses.PaperVariational(1e-3), optax.adam(1e-3)
    settings = dict(batch_size=batch_size, num_steps=1, key=jax.random.key(1), progress=False)
    return vl.fit(model, x, loss=loss, optimizer=optimizer, **settings)[0]

for _ in range(2):
    model = timed("the model's weights", made)
    trained = timed("fit, one step", fitted)
    frozen = timed("freeze_basis", lambda: vl.freeze_basis(trained, x))
    timed("encode", lambda: frozen.encode(x[:100]))
    timed("reconstruct", lambda: frozen.reconstruct(x[:100]))

from benchmarks import peers
plain = peers.plain(model)
jax.clear_caches()
step = eqx.filter_jit(peers.update(peers.whole_batch_loss), donate="all-except-first")
timed("fit, one step", lambda: step((jax.numpy.asarray(x), jax.random.key(1)), peers.start(plain))[1])
print(json.dumps(found))
"""


def rows(fast: bool) -> list[Row]:
    """Seconds of the processor, user and system, for MNIST's VRRAE (L = 100, k = 16); compilation on one thread."""
    table: list[Row] = []
    for side, batch_size in ((8, 16),) if fast else ((28, 64), (28, 576)):
        with tempfile.TemporaryDirectory() as folder:
            cold, warm = (_process(folder, side, batch_size) for _ in range(2))
        for name, (first, again, *plain) in cold.items():
            row: Row = {"batch": batch_size, "what": name, "first": first, "from the folder": warm[name][0]}
            table.append(row | {"equal call": again, "plain Equinox, first": plain[0] if plain else "–"})
    return table


def _process(folder: str, side: int, batch_size: int) -> dict[str, list[float]]:
    environment = os.environ | {"XDG_CACHE_HOME": folder, "VRRAE_LAB_COMPILED": ""}
    command = [sys.executable, "-c", PROGRAM, str(side), str(batch_size)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
