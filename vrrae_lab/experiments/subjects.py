"""What an experiment trains on: images by name, with the sizes of the models and the training that go with them."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import jax
import numpy as np

from vrrae_lab import data as sources
from vrrae_lab import papers
from vrrae_lab.data import Dataset

# the largest image set, in pixel values, that is held as floats: half a gigabyte
MOST_FLOATS = 2**27
TEST_KEY = 20250509  # one test set of bumps for all seeds and settings, so that their errors can be compared


class Extent(StrEnum):
    """How much of an experiment is run: all of it, what takes minutes, or what only shows that it works."""

    FULL = "full"
    FAST = "fast"
    TINY = "tiny"


@dataclass(frozen=True)
class Subject:
    """Images, and the settings of models and training that belong to them.

    Attributes:
        data: the name of the data set.
        image_size: pixels per side.
        num_train: training images.
        num_test: test images.
        latent_size: L of the models with a long latent vector.
        rank: k, and the latent size of the others.
        batch_size: images per step.
        learning_rate: of AdaBelief, constant.
        num_steps: updates per run.
        vae_beta: weight of the KL divergence of models without an SVD, in the papers' loss.
        vrrae_beta: likewise of models with one.
    """

    data: str
    image_size: int
    num_train: int
    num_test: int
    latent_size: int
    rank: int
    batch_size: int
    learning_rate: float
    num_steps: int
    vae_beta: float
    vrrae_beta: float

    def images(
        self, data_dir: str | None = None, manual_dir: str | None = None, download: bool = True
    ) -> tuple[Dataset, Dataset]:
        """Training and test images; large sets as uint8, which `fit` and `encode` take, others as floats.

        Args: see `vrrae_lab.data.load`.

        Raises:
            DataUnavailableError: if they are neither on this machine nor to be downloaded.
        """
        if self.data == "bumps":
            key = jax.random.key(TEST_KEY)
            return sources.bumps(self.num_train, self.image_size), sources.bumps_test(
                self.num_test, self.image_size, key=key
            )
        if self.test_from_training:
            return self._divided(self._load("train", self.num_train + self.num_test, data_dir, manual_dir, download))
        train, test = (
            self._load(split, count, data_dir, manual_dir, download)
            for split, count in (("train", self.num_train), ("test", self.num_test))
        )
        return train, test

    @property
    def test_from_training(self) -> bool:
        """Whether the test images are from the training split, kept aside: the slices of CelebA have no others."""
        return self.data == "celeba" and self.num_train < _SUBJECTS[self.data][0].num_train

    def _divided(self, images: Dataset) -> tuple[Dataset, Dataset]:
        """The first images to train on, the rest to test with."""
        labels = None if images.labels is None else images.labels[self.num_train :]
        name = f"{images.name}_kept_aside"
        about = images.provenance | {"kept_aside": f"images {self.num_train + 1} on of the training split"}
        rest = replace(images, name=name, x=images.x[self.num_train :], labels=labels, provenance=about)
        return images.take(self.num_train), rest

    def _load(self, split: str, count: int, data_dir: str | None, manual_dir: str | None, download: bool) -> Dataset:
        large = count * math.prod(self.shape) > MOST_FLOATS
        as_bytes: dict[str, Any] = {"dtype": np.uint8} if large else {}
        return sources.load(
            _SOURCES.get(self.data, self.data),
            split,
            count,
            size=self.image_size,
            data_dir=data_dir,
            manual_dir=manual_dir,
            download=download,
            **as_bytes,
        )

    @property
    def channels(self) -> int:
        """3 for colour images, 1 for grey ones."""
        return 3 if self.data in _IN_COLOUR else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        return self.image_size, self.image_size, self.channels

    @property
    def sizes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Arguments of constructors: of a model with a latent vector of size k, and of one with the rank k of L."""
        narrow = {"shape": self.shape, "latent_size": self.rank}
        return narrow, {"shape": self.shape, "latent_size": self.latent_size, "rank": self.rank}


_SOURCES = {"celeba": "celeb_a"}  # where `data.load` has another name
_IN_COLOUR = ("cifar10", "celeba")


def _of_the_papers(data: str, num_test: int) -> Subject:
    own = papers.SETTINGS[data]
    training = own.batch_size, own.learning_rate, own.num_steps, own.vae_beta, own.vrrae_beta
    return Subject(data, own.image_size, own.num_train, num_test, own.latent_size, own.rank, *training)


# The full extent, the fast one, the tiny one; the digits are in no paper.
_SUBJECTS: dict[str, tuple[Subject, Subject, Subject]] = {
    "bumps": (
        _of_the_papers("bumps", num_test=1000),
        Subject("bumps", 16, 100, 400, 64, 2, 64, 1e-3, 300, 1e-3, 1e-3),
        Subject("bumps", 16, 100, 100, 8, 2, 16, 1e-3, 4, 1e-3, 1e-3),
    ),
    "digits": (
        Subject("digits", 8, 1437, 360, 64, 8, 64, 1e-3, 2200, 1e-3, 1e-3),
        Subject("digits", 8, 1437, 360, 64, 8, 64, 1e-3, 300, 1e-3, 1e-3),
        Subject("digits", 8, 100, 100, 8, 2, 16, 1e-3, 4, 1e-3, 1e-3),
    ),
    "mnist": (
        _of_the_papers("mnist", num_test=10_000),
        Subject("mnist", 28, 2000, 500, 100, 16, 64, 1e-3, 124, 1e-3, 1e-6),
        Subject("mnist", 28, 100, 100, 8, 2, 16, 1e-3, 4, 1e-3, 1e-6),
    ),
    "cifar10": (
        _of_the_papers("cifar10", num_test=10_000),
        Subject("cifar10", 32, 2000, 500, 512, 60, 64, 1e-3, 250, 1e-5, 0.0),
        Subject("cifar10", 32, 100, 100, 8, 2, 16, 1e-3, 4, 1e-5, 0.0),
    ),
    "celeba": (
        _of_the_papers("celeba", num_test=19_962),
        Subject("celeba", 32, 400, 100, 512, 32, 64, 1e-3, 250, 1e-6, 1e-6),
        Subject("celeba", 32, 100, 100, 8, 2, 16, 1e-3, 4, 1e-6, 1e-6),
    ),
}
NAMES = tuple(_SUBJECTS)


def subject(name: str, extent: Extent = Extent.FULL) -> Subject:
    """The settings that belong to a data set.

    Raises:
        ValueError: if the experiments know no data set of that name.
    """
    if name not in _SUBJECTS:
        raise ValueError(f"data = {name!r} is unknown: the experiments know {', '.join(NAMES)}")
    return _SUBJECTS[name][list(Extent).index(extent)]
