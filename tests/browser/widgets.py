"""Each widget of the package in a state worth looking at, by name; small enough to be made in seconds."""

from collections.abc import Callable

import numpy as np

import vrrae_lab as vl
from vrrae_lab.widgets.card import Card


def _explore() -> Card:
    model, _ = vl.checkpoint.load(vl.checkpoint.shipped("digits_vrrae"))
    return vl.widgets.explore(model, vl.data.digits("train", 200))


def _density() -> Card:
    return vl.widgets.density(np.random.default_rng(0).normal(size=(12, 2)))


WIDGETS: dict[str, Callable[[], Card]] = {
    "bandwidth_surface": vl.widgets.bandwidth_surface,
    "density": _density,
    "kl": vl.widgets.kl,
}
