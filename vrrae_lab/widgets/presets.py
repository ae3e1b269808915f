"""What a race of two models is run on, and settings worth seeing.

What a preset promises holds whatever the seed; the tests see to it that it happens.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Key

from vrrae_lab.data import DataUnavailableError, bumps, bumps_test, digits, load, mnist_sample
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.widgets.live_training import Settings

NUM_WATCHED = 160
IMAGE_SIZE, NUM_BUMPS = 16, 400
NUM_FROM_SAMPLE = 1600
FEWEST_IMAGES = 40  # a fifth is watched, and an SVD of rank 8 needs 8 images
START = Settings(beta=0.1, learning_rate=1e-3, rank=8, noise=1.0)  # for a data set of one's own


class Preset(NamedTuple):
    """A setting worth seeing, and what happens then, whatever the seed."""

    words: str  # what to look for
    steps: int  # after so many updates it has happened
    settings: Settings
    pair: tuple[str, str] = ("vae", "vrrae")
    changed: Mapping[str, float] = {}


class RaceData(NamedTuple):
    """What a race is run on, and how large its models are."""

    words: str  # the data, for the title
    x: np.ndarray  # to train on
    watched: Dataset  # other images
    rank: int = 8  # coefficients of each model, at most
    latent_size: int = 32  # of a model with an SVD
    width: int = 128  # of the hidden layers
    presets: Mapping[str, Preset] = {}


AWAKE = "Every coefficient of both models stays awake, and the error falls below half of what the mean image leaves."
COLLAPSE = "Lamps of the VAE go out: some of its coefficients collapse. The VRRAE keeps more of them awake."
TOO_LARGE = "All lamps go out: the posterior becomes the prior, and every image is decoded to the same one."
NEAR_TIE = (
    "Watch the spectrum: neighbouring singular values of the VRRAE come within 3 % of each other on the way, where a "
    "plain gradient of the SVD would divide by their gap, and the error goes on falling."
)
SMALL_RANK = (
    "With two directions the VRRAE's error stays well above the VAE's; raise the rank while it trains, and it falls."
)
TWO_BETAS = "One model, one seed, two values of β: the larger one puts out lamps and leaves a larger error."


def _presets(awake: float, collapse: float, too_large: float, rank: int = 8) -> dict[str, Preset]:
    """Of three values of β."""
    pair = ("vrrae", "vrrae")
    return {
        "stay awake": Preset(AWAKE, 600, Settings(awake, 1e-3, rank, 1.0)),
        "make the VAE collapse": Preset(COLLAPSE, 900, Settings(collapse, 3e-3, rank, 1.0)),
        "β too large": Preset(TOO_LARGE, 300, Settings(too_large, 3e-3, rank, 1.0)),
        "one seed, two β": Preset(TWO_BETAS, 600, Settings(awake, 3e-3, rank, 1.0), pair, {"beta": 10 * collapse}),
        "near-tied singular values": Preset(NEAR_TIE, 300, Settings(awake, 3e-3, rank, 1.0)),
        "rank too small": Preset(SMALL_RANK, 600, Settings(awake, 3e-3, 2, 1.0)),
    }


PRESETS = {
    "digits": _presets(0.03, 0.1, 10.0),
    "bumps": _presets(1.0, 5.0, 100.0),
    "mnist": _presets(0.1, 1.5, 30.0, rank=16),
}


def race_data(data: str | Dataset, key: Key[Array, ""]) -> RaceData:
    """What `playground` calls by these names.

    Raises:
        ValueError: if there is nothing of this name, or a data set is too small or not finite.
    """
    if isinstance(data, Dataset):
        return _own(data.as_floats())
    if data == "digits":
        x, watched = digits("train").x, digits("test", NUM_WATCHED)
        return RaceData(f"digits, {len(x):,} images to train on", x, watched, presets=PRESETS[data])
    if data == "bumps":
        x, watched = bumps(NUM_BUMPS, IMAGE_SIZE).x, bumps_test(NUM_WATCHED, IMAGE_SIZE, key=key)
        return RaceData(f"bumps, {len(x):,} images to train on", x, watched, presets=PRESETS[data])
    if data == "mnist":
        return _mnist()
    raise ValueError(f"data = {data!r}: use 'digits', 'bumps', 'mnist' or a Dataset")


def _mnist() -> RaceData:
    sample = mnist_sample()
    try:
        x = load("mnist", "train", download=False, dtype=np.uint8).x
        watched = load("mnist", "test", n=NUM_WATCHED, download=False)
        words = f"MNIST, {len(x):,} images to train on"
    except DataUnavailableError:
        x, rest = sample.x[:NUM_FROM_SAMPLE], slice(NUM_FROM_SAMPLE, NUM_FROM_SAMPLE + NUM_WATCHED)
        watched = replace(sample, x=sample.x[rest], labels=np.asarray(sample.labels)[rest])
        words = f"MNIST, {len(x):,} of the {len(sample):,} images that come with the package to train on"
    return RaceData(words, x, watched, rank=16, latent_size=64, width=256, presets=PRESETS["mnist"])


def _own(data: Dataset) -> RaceData:
    if len(data) < FEWEST_IMAGES or not np.isfinite(data.x).all():
        raise ValueError(f"{data.name} has {len(data)} images: give {FEWEST_IMAGES} or more, and all of them finite")
    every_fifth = np.arange(len(data)) % 5 == 0
    labels = None if data.labels is None else data.labels[every_fifth][:NUM_WATCHED]
    watched = replace(data, x=data.x[every_fifth][:NUM_WATCHED], labels=labels)
    x = data.x[~every_fifth]
    return RaceData(f"{data.name}, {len(x):,} images to train on", x, watched)
