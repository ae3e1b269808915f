"""vrrae_lab: Variational Rank Reduction Autoencoders to read, run, drag and question.

Importing the package loads JAX and Equinox and nothing heavier; the submodules below load when first used.
"""

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from vrrae_lab import bottlenecks, density, gaussian, linalg, losses, models
from vrrae_lab.adaptive_rank import AdaptiveRank
from vrrae_lab.checkpoints import Checkpoints
from vrrae_lab.compilation import forget_compiled, keep_compiled, keep_compiled_unless_off
from vrrae_lab.models import (
    Autoencoder,
    adaptive_rrae,
    adaptive_vrrae,
    ae,
    avae,
    beta_tcvae,
    contractive_ae,
    freeze_basis,
    irmae,
    long_ae,
    lorae,
    mixed_precision,
    rrae,
    rrae_vae,
    sparse_ae,
    vae,
    vae_identity,
    vrrae,
)
from vrrae_lab.train import History, fit
from vrrae_lab.validation_beta import ValidationBeta

if TYPE_CHECKING:
    from vrrae_lab import (
        checkpoint,
        data,
        derivations,
        exercises,
        experiments,
        explore,
        features,
        figures,
        metrics,
        papers,
        widgets,
    )

__version__ = _version("vrrae_lab")

keep_compiled_unless_off()

_LOADED_ON_USE = (
    "checkpoint",
    "data",
    "derivations",
    "exercises",
    "experiments",
    "explore",
    "features",
    "figures",
    "metrics",
    "papers",
    "widgets",
)

__all__ = [
    "AdaptiveRank",
    "Autoencoder",
    "Checkpoints",
    "History",
    "ValidationBeta",
    "__version__",
    "adaptive_rrae",
    "adaptive_vrrae",
    "ae",
    "avae",
    "beta_tcvae",
    "bottlenecks",
    "checkpoint",
    "contractive_ae",
    "data",
    "density",
    "derivations",
    "exercises",
    "experiments",
    "explore",
    "features",
    "figures",
    "fit",
    "forget_compiled",
    "freeze_basis",
    "gaussian",
    "irmae",
    "keep_compiled",
    "linalg",
    "long_ae",
    "lorae",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "papers",
    "rrae",
    "rrae_vae",
    "sparse_ae",
    "vae",
    "vae_identity",
    "vrrae",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name in _LOADED_ON_USE:
        return importlib.import_module(f"vrrae_lab.{name}")
    raise AttributeError(f"module 'vrrae_lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
