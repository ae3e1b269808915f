"""What a run's numbers may depend on beside its settings: versions, and the device."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import jax

COMPUTING = ("vrrae_lab", "jax", "jaxlib", "equinox", "optax")  # the packages that compute a step of training


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
