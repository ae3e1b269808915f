"""How long imports take, and how much memory they fill: each in fresh processes, in turn."""

import statistics
import subprocess
import sys

from benchmarks.measure import Row

PROGRAM = """
import time
started = time.perf_counter()
import {module}
seconds = time.perf_counter() - started
from benchmarks.peak_memory import peak_memory
print(seconds, peak_memory())
"""
MODULES = ("jax", "vrrae_lab", "vrrae_lab.widgets", "RRAEs.config, RRAEs.AE_classes", "torch")


def rows(fast: bool) -> list[Row]:
    """Median seconds, and MiB of the whole process."""
    found: dict[str, list[list[str]]] = {module: [] for module in MODULES}
    for _ in range(1 if fast else 7):
        for module in MODULES:
            command = [sys.executable, "-c", PROGRAM.format(module=module)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            found[module].append(done.stdout.split())
    return [
        {
            "import": module,
            "seconds": statistics.median(float(seconds) for seconds, _ in runs) if all(runs) else "absent",
            "MiB": statistics.median(float(size) for _, size in runs) if all(runs) else "absent",
        }
        for module, runs in found.items()
    ]
