"""How long each notebook takes in its fast setting, from a fresh kernel, and how much memory the kernel fills."""

import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.measure import Row
from benchmarks.peak_memory import peak_memory

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def rows(fast: bool) -> list[Row]:
    """Seconds, and MiB at most: a Binder has 2048 for JupyterLab and all kernels. The images of 07 to 09 are used where
    VRRAE_LAB_MANUAL_DIR names their folder or the cache has them.
    """
    os.environ |= {"VRRAE_LAB_FAST": "1", "JUPYTER_PREFER_ENV_PATH": "1"}
    paths = sorted(NOTEBOOKS.glob("*.ipynb"))
    return [_row(path) for path in (paths[1:2] if fast else paths)]


def _row(path: Path) -> Row:
    started = time.perf_counter()
    client = NotebookClient(nbformat.read(path, as_version=4), timeout=600, kernel_name="python3")
    with client.setup_kernel():
        process = client.km.provisioner.pid
        for number, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, number)
        memory = peak_memory(process)
    return {"notebook": path.stem, "seconds": time.perf_counter() - started, "MiB": memory}
