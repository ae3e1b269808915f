"""What is compared: models by name, how each is trained, and what is measured on it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from vrrae_lab.losses import Loss, PaperReconstruction, PaperVariational
from vrrae_lab.models import Autoencoder
from vrrae_lab.train import Callback

CENTRED = "VRRAE, centred"  # not of the papers: the mean of the batch is taken off before the SVD


@dataclass(frozen=True)
class Candidate:
    """One model of a comparison, and how it is trained.

    Attributes:
        constructor: its name.
        arguments: of the constructor, but the key.
        loss: see `vrrae_lab.losses`.
        batch_size: images per step; None is that of the plan.
        learning_rate: likewise.
        callback: makes the callback of `fit` for one run.
    """

    constructor: str
    arguments: Mapping[str, Any]
    loss: Loss
    batch_size: int | None = None
    learning_rate: float | None = None
    callback: Callable[[], Callback] | None = None


def four_models(
    shape: tuple[int, int, int], latent_size: int, rank: int, vae_beta: float, vrrae_beta: float
) -> dict[str, Candidate]:
    """AE, VAE, RRAE, VRRAE and its centred form with the papers' losses; the first two have latents of size `rank`."""
    narrow = {"shape": shape, "latent_size": rank}
    wide = {"shape": shape, "latent_size": latent_size, "rank": rank}
    return {
        "AE": Candidate("ae", narrow, PaperReconstruction()),
        "VAE": Candidate("vae", narrow, PaperVariational(vae_beta)),
        "RRAE": Candidate("rrae", wide, PaperReconstruction()),
        "VRRAE": Candidate("vrrae", wide, PaperVariational(vrrae_beta)),
        CENTRED: Candidate("vrrae", wide | {"centre": True}, PaperVariational(vrrae_beta)),
    }


@dataclass(frozen=True)
class Plan:
    """A comparison, ready to run.

    Attributes:
        name: of the experiment.
        settings: what decides the results, JSON-ready; runs of other settings are not mixed with these.
        candidates: model name to how it is made and trained.
        x_train: training images.
        evaluate: (frozen model, key) to JSON-ready metrics.
        floors: errors any model should beat.
        data: provenance of the images.
        batch_size: images per step.
        learning_rate: of AdaBelief, constant.
        num_steps: updates per run.
        checkpoints: whether the trained models are kept; without them a run leaves some kilobytes.

    Raises:
        ValueError: if two candidates would write the same files.
    """

    name: str
    settings: Mapping[str, Any]
    candidates: Mapping[str, Candidate]
    x_train: np.ndarray
    evaluate: Callable[[Autoencoder, jax.Array], dict[str, Any]]
    floors: Mapping[str, float]
    data: Mapping[str, Any]
    batch_size: int
    learning_rate: float
    num_steps: int
    checkpoints: bool = True

    def __post_init__(self) -> None:
        names = list(self.candidates)
        for i, name in enumerate(names):
            twin = next((other for other in names[:i] if slug(other) == slug(name)), None)
            if twin is not None:
                raise ValueError(f"{name!r} and {twin!r} would both write files {slug(name)}-…: rename one of them")


def slug(name: str) -> str:
    """A model's name as part of a file name: small letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
