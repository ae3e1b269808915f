"""Each widget of the package in a state worth looking at, by name; small enough to be made in seconds."""

from collections.abc import Callable

import jax.random as jr
import numpy as np

import vrrae_lab as vl
from vrrae_lab.widgets.card import Card


def _explore() -> Card:
    return vl.widgets.explore(_shipped("vrrae"), vl.data.digits("train", 200), other=_shipped("vae"))


def _shipped(name: str) -> vl.Autoencoder:
    model, _ = vl.checkpoint.load(vl.checkpoint.shipped(f"digits_{name}"))
    return model


def _density() -> Card:
    return vl.widgets.density(np.random.default_rng(0).normal(size=(12, 2)))


def _spectrum_of_a_training() -> Card:
    return vl.widgets.spectrum(vl.experiments.shipped_record("beta_training_fast"))


WIDGETS: dict[str, Callable[[], Card]] = {
    "bandwidth_surface": vl.widgets.bandwidth_surface,
    "batch_truncation": lambda: vl.widgets.batch_truncation(64, rank=12, batch_size=48, key=jr.key(0)),
    "collapse_map": vl.widgets.collapse_map,
    "density": _density,
    "explore": _explore,
    "kl": vl.widgets.kl,
    "race": lambda: vl.widgets.race("mnist_collapse"),
    "spectrum": lambda: vl.widgets.spectrum([4.0, 2.0, 1.0, 0.5]),
    "spectrum_of_a_training": _spectrum_of_a_training,
    "truncated_svd": lambda: vl.widgets.truncated_svd(vl.data.bumps(image_size=32), key=jr.key(0)),
}
