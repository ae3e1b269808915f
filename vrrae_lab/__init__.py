"""vrrae_lab: Variational Rank Reduction Autoencoders to read, run, drag and question.

Importing the package loads JAX and Equinox and nothing heavier; the submodules below load when first used.
"""

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from vrrae_lab import bottlenecks, density, gaussian, linalg, losses, models
from vrrae_lab.compilation import keep_compiled
from vrrae_lab.models import Autoencoder, ae, freeze_basis, rrae, vae, vrrae
from vrrae_lab.training import History, fit

if TYPE_CHECKING:
    from vrrae_lab import checkpoint, data, derivations, exercises, experiments, explore, figures, metrics, widgets

__version__ = _version("vrrae_lab")

_LOADED_ON_USE = (
    "checkpoint",
    "data",
    "derivations",
    "exercises",
    "experiments",
    "explore",
    "figures",
    "metrics",
    "widgets",
)

__all__ = [
    "Autoencoder",
    "History",
    "__version__",
    "ae",
    "bottlenecks",
    "checkpoint",
    "data",
    "density",
    "derivations",
    "exercises",
    "experiments",
    "explore",
    "figures",
    "fit",
    "freeze_basis",
    "gaussian",
    "keep_compiled",
    "linalg",
    "losses",
    "metrics",
    "models",
    "rrae",
    "vae",
    "vrrae",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name in _LOADED_ON_USE:
        return importlib.import_module(f"vrrae_lab.{name}")
    raise AttributeError(f"module 'vrrae_lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
