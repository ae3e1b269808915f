"""Interpolations and generated images scored against training images, in the features of a classifier (appendix A.7).

The classifier is of the set's labels, trained once and kept beside the runs. The paper's features are of an
Inception-v3 fine-tuned on the labels: numbers of two feature spaces are not comparable, only their order is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Key

from vrrae_lab import explore, papers
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.record import markdown_table, mean_std
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.features import Classifier, frechet_title, kept_classifier, scores_of_features
from vrrae_lab.models import Autoencoder, Images
from vrrae_lab.randomness import generator

CLASSIFIER_KEY = 20250510  # one classifier for all seeds and settings, so that their scores can be compared
MOST_REAL = 10_000  # training images whose features are taken, chosen at random
MOST_CODES = 20_000  # training images to which the Gaussian mixture is fitted
MOST_COMPONENTS = 10
KINDS = {"interpolation": "interpolations", "generation": "generated images"}
SCORED_AGAINST = "training images"  # records made before it was written down are scored against test images


@dataclass(frozen=True)
class Scoring:
    """How many images are scored, and the training of the classifier in whose features.

    Attributes:
        num_generated: images drawn from a Gaussian mixture.
        num_pairs: pairs of test images between which five images are decoded.
        classifier_steps: updates of the classifier.
    """

    num_generated: int = papers.NUM_GENERATED
    num_pairs: int = 250
    classifier_steps: int = 3000

    @classmethod
    def of(cls, extent: Extent) -> "Scoring":
        """The paper's numbers in full; in a reduced setting the classifier is trained for less long."""
        return {Extent.FULL: cls(), Extent.FAST: cls(classifier_steps=400), Extent.TINY: cls(20, 4, 4)}[extent]

    def judge(self, folder: Path, train: Dataset, test: Dataset, rank: int, progress: bool) -> "Judge":
        """What scores models on these images, with the classifier in the folder or one that is trained and kept there.

        Raises:
            ValueError: if the images have no labels, or the folder holds a classifier of other settings.
        """
        classifier = kept_classifier(
            folder / "classifier.eqx",
            train,
            test,
            num_steps=self.classifier_steps,
            key=jax.random.key(CLASSIFIER_KEY),
            progress=progress,
        )
        return Judge(self, classifier, train, test, rank)


class Judge:
    """Measures models on one image set, in the features of one classifier."""

    def __init__(self, scoring: Scoring, classifier: Classifier, train: Dataset, test: Dataset, rank: int) -> None:
        """Args:
        scoring: the numbers of images.
        classifier: in whose features images are scored.
        train: the training images of the models, which generated ones are held against.
        test: images to reconstruct, and to interpolate between.
        rank: by which the components of the mixture are counted.
        """
        self._scoring, self._classifier, self._train, self._test, self._rank = scoring, classifier, train, test, rank

    @property
    def facts(self) -> dict[str, Any]:
        """What the classifier is, JSON-ready."""
        skill = self._classifier.skill
        known = {} if skill is None else skill._asdict()
        steps = self._scoring.classifier_steps
        return {"name": self._classifier.name, "steps": steps, **known, "scored_against": SCORED_AGAINST}

    @cached_property
    def _real(self) -> Float[np.ndarray, "n_real dimension"]:
        chosen = generator(jax.random.key(CLASSIFIER_KEY)).permutation(len(self._train))[:MOST_REAL]
        return self._classifier(self._train.x[np.sort(chosen)])

    def evaluate(self, model: Autoencoder, test_error: float, key: Key[Array, ""]) -> dict[str, Any]:
        """The error in our convention, and scores of interpolations and generated images, JSON-ready.

        Args:
            model: a frozen model.
            test_error: in percent.
            key: randomness of the images and of the scores.
        """
        keys = jax.random.split(key, 4)
        scoring, x = self._scoring, evaluation.bounded(self._test).x
        squared_norm = float(np.sum(np.square(x), dtype=float)) / len(x)
        starts, ends = pairs(len(self._test), scoring.num_pairs, key=keys[0])
        paths = path_between(model, self._test.x[starts], self._test.x[ends])
        images = {
            "interpolation": paths[:, 1:-1].reshape(-1, *paths.shape[2:]),
            "generation": generated(model, self._train.x, scoring.num_generated, self._rank, key=keys[1]),
        }
        return {
            "test_squared_error": (test_error / 100) ** 2 * squared_norm,
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


def path_between(model: Autoencoder, start: Images, end: Images) -> np.ndarray:
    """The images between each pair, and the reconstructed ends, within [0, 1]."""
    return np.clip(explore.interpolate(model, start, end, papers.POINTS_BETWEEN + 2), 0, 1)


Published = Mapping[str, Mapping[str, papers.Printed]]
"""Model to what the paper prints for it, as far as it does: "interpolation", "generation", "reconstruction"."""


def published(record: Mapping[str, Any], *tables: Mapping[str, Mapping[str, papers.Scores]]) -> Published:
    """What tables of the paper print for the images of a record: nothing for other images."""
    data = record["settings"].get("data", record["experiment"])  # older records of image sets have no such setting
    return {model: found._asdict() for table in tables for model, found in table.get(data, {}).items()}


def error_table(record: Mapping[str, Any], printed: Published) -> str:
    """A row per model: its test error beside the published one, and what it is in our convention."""
    rows = []
    for model in comparison.model_names(record):
        metrics = _metrics(record, model)
        known = str(printed.get(model, {}).get("reconstruction", "–"))
        squared = mean_std([m.get("test_squared_error") for m in metrics], 2)
        rows.append([model, mean_std([m["test_error"] for m in metrics]), known, squared])
    return markdown_table(["model", "test error, %", "published", "squared error per image"], rows)


def score_table(record: Mapping[str, Any], printed: Published) -> list[str]:
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
        theirs = {name: printed[name][kind] for name in names if kind in printed.get(name, {})}
        places = _places({name: float(np.mean(found)) for name, found in ours.items() if found})
        their_places = _places(theirs)
        for name in names:
            cells = [
                mean_std(ours[name], 2),
                _floor([s["frechet_floor"] for s in scores[name]]),
                mean_std([s["kernel_distance"] for s in scores[name]], 3),
                mean_std([s["kernel_distance_error"] for s in scores[name]], 3),
                places.get(name, "–"),
                str(theirs.get(name, "–")),
                their_places.get(name, "–"),
            ]
            rows.append([of, name, *cells])
    return [markdown_table(head, rows)]


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


def about_scores(record: Mapping[str, Any]) -> list[str]:
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


def with_scores(table: str, record: Mapping[str, Any], printed: Published, *lines: str) -> str:
    """A study's table, then for a record of an image set its errors and scores beside the published ones, then lines.

    Args:
        table: as Markdown.
        record: of a study.
        printed: what the paper prints for its models, as far as it is known.
        lines: what else is said.
    """
    if not any("test_squared_error" in run["metrics"] for run in record["results"]) and not printed:
        return "\n".join([table, "", *lines])
    tables = [table, error_table(record, printed), *score_table(record, printed)]
    return "\n".join(["\n\n".join(tables), "", *about_scores(record), *lines])
