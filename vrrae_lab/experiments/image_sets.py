"""The four models on published image sets (VRRAE paper, Table 2): reconstruction, interpolations, random generation.

Interpolations and generated images are scored against training images, as in appendix A.7 of the paper, in the features
of a classifier of the set's labels, which is trained once and kept beside the runs. The paper's features are of an
Inception-v3 fine-tuned on the labels: numbers of two feature spaces are not comparable, only their order is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Float, Int, Key

from vrrae_lab import explore, figures, papers
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Candidate, four_models
from vrrae_lab.experiments.record import markdown_table, mean_std
from vrrae_lab.experiments.study import Study, closing, model_table, pictures
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.features import Classifier, frechet_title, kept_classifier, scores_of_features
from vrrae_lab.models import Autoencoder, Images
from vrrae_lab.randomness import generator

CLASSIFIER_KEY = 20250510  # one classifier for all seeds and settings, so that their scores can be compared
STEPS_OF_FAST = 600  # more than other studies make of these images: there are only four models
MOST_REAL = 10_000  # training images whose features are taken, chosen at random
MOST_CODES = 20_000  # training images to which the Gaussian mixture is fitted
MOST_COMPONENTS = 10
DRAWN_PAIRS = 3
KINDS = {"interpolation": "interpolations", "generation": "generated images"}
SCORED_AGAINST = "training images"  # records made before it was written down are scored against test images


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

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]:
        """Train what is missing in `out`, the classifier too, score, and write `out`/record.json.

        Raises:
            DataUnavailableError: if the images are neither on this machine nor to be downloaded.
            ValueError: if `out` holds runs of other settings, or the images have no labels.
        """
        train, test = self.images()
        plan = self.plan_of(train, test)
        comparison.check_folder(plan, out)
        classifier = kept_classifier(
            out / "classifier.eqx",
            train,
            test,
            num_steps=self.classifier_steps,
            key=jax.random.key(CLASSIFIER_KEY),
            progress=progress,
        )
        judge = Judge(self, classifier, train, test)
        plan = replace(plan, evaluate=judge.evaluate, data={**plan.data, "classifier": judge.facts})
        return comparison.run(plan, self.seeds, out, progress=progress)

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """Three tables as Markdown, mean ± standard deviation over the seeds: the models, errors and scores."""
        disagreements = [
            f"the paper disagrees with itself (claim 28): {line}" for line in papers.disagreements(record["experiment"])
        ]
        tables = [model_table(record), _error_table(record), *_score_table(record)]
        return "\n".join(["\n\n".join(tables), "", *_about_scores(record), *disagreements, *closing(record)])

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Test errors by seed, generated images, interpolations and singular values, from the checkpoints in `out`."""
        seed = record["seeds"][0]
        train, test = self.images()
        models = comparison.load_models(record, out, seed)
        key = jax.random.key(seed)
        samples = [generated(model, train.x, 12, self.subject.rank, key=key) for model in models.values()]
        starts, ends = pairs(len(test), DRAWN_PAIRS, key=key)
        between = {name: _path(model, test.x[starts], test.x[ends]) for name, model in models.items()}
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


class Judge:
    """Measures models on one image set, in the features of one classifier."""

    def __init__(self, study: ImageSet, classifier: Classifier, train: Dataset, test: Dataset) -> None:
        """Args:
        study: for its numbers of images.
        classifier: in whose features images are scored.
        train: the training images of the models, which generated ones are held against.
        test: images to reconstruct, and to interpolate between.
        """
        self._study, self._classifier, self._train, self._test = study, classifier, train, test

    @property
    def facts(self) -> dict[str, Any]:
        """What the classifier is, JSON-ready."""
        skill = self._classifier.skill
        known = {} if skill is None else skill._asdict()
        steps = self._study.classifier_steps
        return {"name": self._classifier.name, "steps": steps, **known, "scored_against": SCORED_AGAINST}

    @cached_property
    def _real(self) -> Float[np.ndarray, "n_real dimension"]:
        chosen = generator(jax.random.key(CLASSIFIER_KEY)).permutation(len(self._train))[:MOST_REAL]
        return self._classifier(self._train.x[np.sort(chosen)])

    def evaluate(self, model: Autoencoder, key: Key[Array, ""]) -> dict[str, Any]:
        """Errors in the paper's convention and ours, and scores of interpolations and generated images, JSON-ready."""
        keys = jax.random.split(key, 4)
        study, x = self._study, evaluation.bounded(self._test).x
        found = evaluation.evaluate(model, self._train, self._test)
        squared_norm = float(np.sum(np.square(x), dtype=float)) / len(x)
        starts, ends = pairs(len(self._test), study.num_pairs, key=keys[0])
        paths = _path(model, self._test.x[starts], self._test.x[ends])
        images = {
            "interpolation": paths[:, 1:-1].reshape(-1, *paths.shape[2:]),
            "generation": generated(model, self._train.x, study.num_generated, study.subject.rank, key=keys[1]),
        }
        return {
            **found,
            "test_squared_error": (found["test_error"] / 100) ** 2 * squared_norm,
            **{kind: self._score(images[kind], key) for kind, key in zip(KINDS, keys[2:], strict=True)},
        }

    def _score(self, images: np.ndarray, key: Key[Array, ""]) -> dict[str, Any]:
        return scores_of_features(self._real, self._classifier(images), self._classifier, key=key)


def pairs(
    num_images: int, count: int, *, key: Key[Array, ""]
) -> tuple[Int[np.ndarray, " count"], Int[np.ndarray, " count"]]:
    """Random pairs of different images, by their numbers."""
    random = generator(key)
    starts = random.integers(num_images, size=count)
    return starts, (starts + random.integers(1, num_images, size=count)) % num_images


def generated(
    model: Autoencoder, x_train: Images, count: int, rank: int, *, key: Key[Array, ""]
) -> Float[np.ndarray, "count height width channels"]:
    """Images decoded from samples of a Gaussian mixture, as they would be shown: within [0, 1].

    The mixture is that of `explore.generate`. It has ten components or, where there are too few training images, so
    many that each has ten images for every coefficient.

    Args:
        model: a frozen model.
        x_train: its training images, of which the first 20,000 are used.
        count: how many to make.
        rank: how many coefficients the model has.
        key: randomness of the fit and of the samples.
    """
    x = x_train[:MOST_CODES]
    components = max(1, min(MOST_COMPONENTS, len(x) // (10 * rank)))
    return np.clip(explore.generate(model, x, count, num_components=components, key=key), 0, 1)


def _path(model: Autoencoder, start: Images, end: Images) -> np.ndarray:
    """The images between each pair, and the reconstructed ends, within [0, 1]."""
    return np.clip(explore.interpolate(model, start, end, papers.POINTS_BETWEEN + 2), 0, 1)


def _error_table(record: Mapping[str, Any]) -> str:
    """A row per model: its test error beside the published one, and what it is in our convention."""
    rows = []
    for model in comparison.model_names(record):
        metrics = _metrics(record, model)
        known = _printed(record, model, "reconstruction")
        squared = mean_std([m.get("test_squared_error") for m in metrics], 2)
        rows.append([model, mean_std([m["test_error"] for m in metrics]), known, squared])
    return markdown_table(["model", "test error, %", "published", "squared error per image"], rows)


def _score_table(record: Mapping[str, Any]) -> list[str]:
    """A row per kind of image and model, with the places of the models by each; nothing for a record without scores."""
    if not _scores(record):
        return []
    accuracy = record["data"]["classifier"]["accuracy"]
    title = f"Fréchet, features of our classifier (accuracy {accuracy:.1f} %)"
    head = ["of", "model", title, "floor", "kernel distance", "standard error", "place", "published FID", "its place"]
    rows = []
    for kind, of in KINDS.items():
        names = comparison.model_names(record)
        scores = {name: [m[kind] for m in _metrics(record, name) if kind in m] for name in names}
        ours = {name: [s["frechet_distance"] for s in found] for name, found in scores.items()}
        theirs = {name: _printed(record, name, kind) for name in names}
        places = _places({name: float(np.mean(found)) for name, found in ours.items() if found})
        their_places = _places({name: float(text) for name, text in theirs.items() if text != "–"})
        for name in names:
            cells = [
                mean_std(ours[name], 2),
                _floor([s["frechet_floor"] for s in scores[name]]),
                mean_std([s["kernel_distance"] for s in scores[name]], 3),
                mean_std([s["kernel_distance_error"] for s in scores[name]], 3),
                places.get(name, "–"),
                theirs[name],
                their_places.get(name, "–"),
            ]
            rows.append([of, name, *cells])
    return [markdown_table(head, rows)]


def _printed(record: Mapping[str, Any], model: str, kind: str) -> str:
    """The digits in the paper's Table 2; a dash for models that are not in it."""
    scores = papers.TABLE_2[record["experiment"]].get(model)
    return "–" if scores is None else str(getattr(scores, kind))


def _metrics(record: Mapping[str, Any], model: str) -> list[dict[str, Any]]:
    return [run["metrics"] for run in comparison.runs_of(record, model) if run["metrics"]]


def _scores(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [r["metrics"][kind] for r in record["results"] for kind in KINDS if kind in r["metrics"]]


def _places(values: Mapping[str, float]) -> dict[str, str]:
    """The place of each when they are put in order, 1 for the smallest."""
    return {name: f"{1 + sum(other < value for other in values.values())}" for name, value in values.items()}


def _floor(floors: list[list[float]]) -> str:
    """Floor of the distance and its standard deviation over pairs of sets, both as means over the seeds."""
    return "–" if not floors else "{:.2f} ± {:.2f}".format(*np.mean(floors, axis=0))


def _about_scores(record: Mapping[str, Any]) -> list[str]:
    """What the table of scores shows, in words."""
    scores = _scores(record)
    if not scores:
        return ["this record is older than the scores of interpolations and generated images"]
    first, facts = scores[0], record["data"]["classifier"]
    real = facts.get("scored_against", "test images")
    return [
        f"{frechet_title(first['features'], first['accuracy'])}, between {first['n']:,} images and as many {real}; its "
        f"floor, ± the standard deviation, is that of two sets of {first['n']:,} {real}",
        f"always the most frequent label would be right for {facts['baseline']:.1f} %",
        "the published scores are in other features, of an Inception-v3 fine-tuned on the labels: compare the order of "
        "the models, never the numbers",
    ]
