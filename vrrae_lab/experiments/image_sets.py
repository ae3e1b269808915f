"""The four models on published image sets (VRRAE paper, Table 2): reconstruction, interpolations, random generation.

How they are scored, and what of it compares with the paper, is said in `scores`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import plotly.graph_objects as go

from vrrae_lab import figures, papers
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison
from vrrae_lab.experiments.plan import Candidate, four_models
from vrrae_lab.experiments.scores import Scoring, generated, pairs, path_between, published, with_scores
from vrrae_lab.experiments.study import Study, closing, model_table, pictures
from vrrae_lab.experiments.subjects import Extent

STEPS_OF_FAST = 600  # more than other studies make of these images: there are only four models
DRAWN_PAIRS = 3


@dataclass(frozen=True)
class ImageSet(Study):
    """AE, VAE, RRAE and VRRAE on one image set, with the papers' loss.

    Attributes:
        num_generated: images drawn from a Gaussian mixture.
        num_pairs: pairs of test images between which five images are decoded.
        classifier_steps: updates of the classifier in whose features images are scored.

    Raises:
        ValueError: if `data` is another set than that of the experiment.
    """

    num_seeds: int = field(default=1, compare=False)
    num_generated: int = papers.NUM_GENERATED
    num_pairs: int = 250
    classifier_steps: int = 3000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.data != self.name:
            raise ValueError(f"data = {self.data!r}: {self.name} is of one data set: leave out --data")

    @classmethod
    def fast(cls) -> "ImageSet":
        """A reduced setting: a few minutes on two idle CPU cores."""
        return cls(extent=Extent.FAST, num_steps=STEPS_OF_FAST, classifier_steps=400)

    @classmethod
    def tiny(cls) -> "ImageSet":
        """Seconds; for tests. Its results mean nothing."""
        return replace(
            cls.fast(), extent=Extent.TINY, num_steps=None, num_generated=20, num_pairs=4, classifier_steps=4
        )

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The four models."""
        own = self.subject
        return four_models(own.shape, own.latent_size, own.rank, own.vae_beta, own.vrrae_beta)

    @property
    def scoring(self) -> Scoring:
        """By the fields."""
        return Scoring(self.num_generated, self.num_pairs, self.classifier_steps)

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """Three tables as Markdown, mean ± standard deviation over the seeds: the models, errors and scores."""
        data = record["experiment"]
        lines = [f"the paper disagrees with itself (claim 28): {line}" for line in papers.disagreements(data)]
        return with_scores(model_table(record), record, published(record, papers.TABLE_2), *lines, *closing(record))

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Test errors by seed, generated images, interpolations and singular values, from the checkpoints in `out`."""
        seed = record["seeds"][0]
        train, test = self.images()
        models = comparison.load_models(record, out, seed)
        key = jax.random.key(seed)
        samples = [generated(model, train.x, 12, self.subject.rank, key=key) for model in models.values()]
        starts, ends = pairs(len(test), DRAWN_PAIRS, key=key)
        between = {name: path_between(model, test.x[starts], test.x[ends]) for name, model in models.items()}
        rows = [(f"{name}, {i + 1}", paths[i]) for i in range(DRAWN_PAIRS) for name, paths in between.items()]
        titles = {
            "samples": f"Generated, seed {seed}",
            "interpolations": f"Between pairs of test images, which the ends reconstruct, seed {seed}",
        }
        grids = {
            "samples": figures.image_grid(
                np.concatenate(samples), 12, title=titles["samples"], row_names=list(models), limits=(0.0, 1.0)
            ),
            "interpolations": figures.image_grid(
                np.concatenate([path for _, path in rows]),
                papers.POINTS_BETWEEN + 2,
                title=titles["interpolations"],
                row_names=[name for name, _ in rows],
                limits=(0.0, 1.0),
            ),
        }
        return pictures(record, out, train) | grids


@dataclass(frozen=True)
class Mnist(ImageSet):
    """MNIST."""

    name: ClassVar[str] = "mnist"
    description: ClassVar[str] = "AE, VAE, RRAE and VRRAE on MNIST: reconstruction, interpolations, samples"

    data: str = "mnist"


@dataclass(frozen=True)
class Cifar10(ImageSet):
    """CIFAR-10."""

    name: ClassVar[str] = "cifar10"
    description: ClassVar[str] = "the same four models on CIFAR-10"

    data: str = "cifar10"


@dataclass(frozen=True)
class CelebA(ImageSet):
    """CelebA."""

    name: ClassVar[str] = "celeba"
    description: ClassVar[str] = "the same four models on CelebA"

    data: str = "celeba"
