"""How long imports take, and how much memory they fill: each in fresh processes, in turn."""

import statistics
import subprocess
import sys

from benchmarks.measure import Row

PROGRAM = """
import time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
from benchmarks.peak_memory import peak_memory
print(seconds, peak_memory())
"""
MODULES = ("jax", "vrrae_lab", "vrrae_lab.widgets", "RRAEs.config, RRAEs.AE_classes", "torch")
# what a reader of notebook 00 waits for
FIRST_WIDGET = """
import vrrae_lab as vl
model, _ = vl.checkpoint.load(vl.checkpoint.shipped("bumps_vrrae"))
vl.widgets.explore(model, vl.data.bumps(image_size=32))
"""
STATEMENTS = {module: f"import {module}" for module in MODULES} | {"vrrae_lab, and a first explorer": FIRST_WIDGET}


def rows(fast: bool) -> list[Row]:
    """Median seconds, and MiB of the whole process."""
    found: dict[str, list[list[str]]] = {name: [] for name in STATEMENTS}
    for _ in range(1 if fast else 7):
        for name, statement in STATEMENTS.items():
            command = [sys.executable, "-c", PROGRAM.format(statement=statement)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found[name].append(done.stdout.split())
    return [
        {
            "import": name,
            "seconds": statistics.median(float(seconds) for seconds, _ in runs) if all(runs) else "absent",
            "MiB": statistics.median(float(size) for _, size in runs) if all(runs) else "absent",
        }
        for name, runs in found.items()
    ]
