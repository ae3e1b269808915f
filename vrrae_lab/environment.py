"""What a run's numbers may depend on beside its settings: the code, versions, and the device."""

import functools
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

COMPUTING = ("vrrae_lab", "jax", "jaxlib", "equinox", "optax")  # the packages that compute a step of training
CHANGED = "+"  # after a commit: files were changed since
# What is made by runs, so that making one record does not spoil the next.
_PRODUCTS = ("vrrae_lab/records", "vrrae_lab/shipped", "finished_runs")


def versions(packages: Sequence[str] = COMPUTING) -> dict[str, str]:
    """The installed version of each package.

    Raises:
        PackageNotFoundError: if one is not installed.
    """
    return {name: version(name) for name in packages}


def device() -> dict[str, Any]:
    """What jax computes on, JSON-ready: its platform, its kind, and how many of them there are."""
    first = jax.devices()[0]
    return {"platform": first.platform, "kind": first.device_kind, "devices": jax.device_count()}


@functools.cache  # the code is that of when the process began
def commit() -> str | None:
    """The commit this package is run from, with a "+" where files were changed since; None outside a clone."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ".", *(f":(exclude){path}" for path in _PRODUCTS))
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + (CHANGED if changed else "")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()
