"""What the experiments on a subject chosen by name have in common."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import jax
import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Key

from vrrae_lab import figures
from vrrae_lab.checks import check_kind
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Candidate, Plan
from vrrae_lab.experiments.record import check_settings, closing_lines, markdown_table, mean_std, settings_of
from vrrae_lab.experiments.scores import Scoring
from vrrae_lab.experiments.subjects import Extent, Subject, subject
from vrrae_lab.models import Autoencoder

SCORED = ("mnist", "cifar10", "celeba")  # image sets with labels that the papers have scores of


@dataclass(frozen=True)
class Study(ABC):
    """Models compared on one subject. A subclass says which, and what is shown of them.

    Attributes:
        data: the data set: "bumps", "digits", "mnist", "cifar10" or "celeba".
        extent: which of the subject's settings; see `subjects`.
        num_steps: updates per run; None: the subject's.
        image_size: pixels per side; likewise.
        num_train: training images; likewise.
        num_test: test images; likewise.
        num_seeds: runs per model.
        seed: the first seed.
        data_dir: see `vrrae_lab.data.load`.
        manual_dir: likewise.
        download: likewise.

    Raises:
        ValueError: if there is no such data set.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    checkpoints: ClassVar[bool] = True
    scored: ClassVar[bool] = True

    data: str = "bumps"
    extent: Extent = Extent.FULL
    num_steps: int | None = None
    image_size: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    num_seeds: int = field(default=5, compare=False)
    seed: int = field(default=0, compare=False)
    data_dir: str | None = field(default=None, compare=False)
    manual_dir: str | None = field(default=None, compare=False)
    download: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        subject(self.data)
        check_kind("extent", self.extent, Extent, "give Extent.FULL, Extent.FAST or Extent.TINY")
        check_settings(self)

    @classmethod
    def fast(cls) -> "Study":
        """A reduced setting: at most three minutes on two idle CPU cores."""
        return cls(extent=Extent.FAST, num_seeds=2)

    @classmethod
    def tiny(cls) -> "Study":
        """Seconds; for tests. Its results mean nothing."""
        return replace(cls.fast(), extent=Extent.TINY, num_steps=None)

    @property
    def subject(self) -> Subject:
        """The images and settings."""
        asked = {name: getattr(self, name) for name in ("num_steps", "image_size", "num_train", "num_test")}
        return replace(
            subject(self.data, self.extent), **{name: value for name, value in asked.items() if value is not None}
        )

    @property
    def scoring(self) -> Scoring | None:
        """How generated images are scored; None where they are not, as those that come without labels."""
        return Scoring.of(self.extent) if self.scored and self.data in SCORED else None

    @property
    def seeds(self) -> range:
        """The seeds that are run."""
        return range(self.seed, self.seed + self.num_seeds)

    def images(self) -> tuple[Dataset, Dataset]:
        """Training and test images.

        Raises:
            DataUnavailableError: if they are neither on this machine nor to be downloaded.
        """
        return self.subject.images(self.data_dir, self.manual_dir, self.download)

    def settings(self) -> dict[str, Any]:
        """What decides each run, with the subject's numbers in place of its name alone; JSON-ready."""
        settings = settings_of(self) | asdict(self.subject)
        settings |= {} if self.scoring is None else asdict(self.scoring)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}

    def reductions(self) -> list[str]:
        """What is less, or other, than in the full setting on the same data."""
        own, full = self.settings(), replace(type(self)(), data=self.data).settings()
        found = [f"{key} {own[key]} instead of {full[key]}" for key in own if own[key] != full[key] and key != "extent"]
        return found + (["test images kept aside from the training split"] if self.subject.test_from_training else [])

    @abstractmethod
    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The models by name."""

    def facts(self, train: Dataset) -> dict[str, Any]:
        """JSON-ready facts of the data that the table or the figures need."""
        return {}

    def evaluate(self, model: Autoencoder, train: Dataset, test: Dataset, key: Key[Array, ""]) -> dict[str, Any]:
        """What is measured on a frozen model, JSON-ready."""
        return evaluation.evaluate(model, train, test)

    @staticmethod
    @abstractmethod
    def table(record: Mapping[str, Any]) -> str:
        """The record as Markdown."""

    @abstractmethod
    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Figures of the record, by file name without ending; `out` is where it was made."""

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]:
        """Train what is missing in `out`, evaluate, and write `out`/record.json; see `comparison.run`.

        Raises:
            DataUnavailableError: if the images are neither on this machine nor to be downloaded.
            ValueError: if `out` holds runs of other settings, or images to be scored have no labels.
        """
        train, test = self.images()
        plan = self.plan_of(train, test)
        if self.scoring is not None:
            comparison.check_folder(plan, out)  # before a classifier is trained
            judge = self.scoring.judge(out, train, test, self.subject.rank, progress)

            def evaluate(model: Autoencoder, key: jax.Array) -> dict[str, Any]:
                found = self.evaluate(model, train, test, key)
                return found | judge.evaluate(model, found["test_error"], key)

            plan = replace(plan, evaluate=evaluate, data={**plan.data, "classifier": judge.facts})
        return comparison.run(plan, self.seeds, out, progress=progress)

    def plan(self) -> Plan:
        """The comparison, ready to run.

        Raises:
            DataUnavailableError: if the images are neither on this machine nor to be downloaded.
        """
        return self.plan_of(*self.images())

    def plan_of(self, train: Dataset, test: Dataset) -> Plan:
        """The comparison on these images, ready to run."""
        own = self.subject

        def evaluate(model: Autoencoder, key: jax.Array) -> dict[str, Any]:
            return self.evaluate(model, train, test, key)

        origin: dict[str, Any] = {"train": train.provenance, "test": test.provenance}
        origin |= {"images": self._images_in_words(train, test), "reductions": self.reductions()}
        return Plan(
            name=self.name,
            settings=self.settings(),
            candidates=self.candidates(train),
            x_train=train.x,
            evaluate=evaluate,
            floors=evaluation.floors(train, test, own.rank),
            data=origin | self.facts(train),
            batch_size=own.batch_size,
            learning_rate=own.learning_rate,
            num_steps=own.num_steps,
            checkpoints=self.checkpoints,
        )

    def _images_in_words(self, train: Dataset, test: Dataset) -> str:
        """How many there are, and of how many."""
        full = subject(self.data)
        found = f"{_part(len(train), full.num_train)} training images; "
        if self.subject.test_from_training:
            return found + f"{len(test):,} others of the training split to test with"
        return found + f"{_part(len(test), full.num_test)} test images"


def _part(count: int, full: int) -> str:
    return f"{count:,}" if count == full else f"{count:,} of {full:,}"


Columns = Mapping[str, Mapping[str, str]]
"""Title of a column to its cells by the name of the model."""


def model_table(record: Mapping[str, Any], extra: Columns | None = None) -> str:
    """One row per model: parameters, errors, active coefficients, KL divergence, convergence, then `extra` columns."""
    extra = extra or {}
    head = ["model", "parameters", "train %", "test %", "active", "KL (nats)", "still falls %", *extra]
    rows = []
    for name in comparison.model_names(record):
        cells = [parameters_cell(record, name), *error_cells(record, name), active_cell(record, name)]
        cells += [kl_cell(record, name), falling_cell(comparison.runs_of(record, name))]
        rows.append([name, *cells, *(column[name] for column in extra.values())])
    return markdown_table(head, rows)


def parameters_cell(record: Mapping[str, Any], name: str) -> str:
    """How many numbers of a model are trained, which is the same from every seed."""
    return f"{comparison.runs_of(record, name)[0]['parameters']:,}"


def error_cells(record: Mapping[str, Any], name: str) -> list[str]:
    """Training and test error of a model, in percent."""
    return [mean_std(comparison.of_model(record, name, f"{part}_error")) for part in ("train", "test")]


def active_cell(record: Mapping[str, Any], name: str) -> str:
    """How many coefficients of a model are active, of how many: a range where an adaptive rank ended differently."""
    active = comparison.of_model(record, name, "active_units")
    if not active:
        return "–"
    fewest, most = (choose(len(units) for units in active) for choose in (min, max))
    count = f"{most}" if fewest == most else f"{fewest} to {most}"
    return f"{mean_std([sum(units) for units in active])} of {count}"


def kl_cell(record: Mapping[str, Any], name: str) -> str:
    """KL divergence of a model per image, in nats, summed over the coefficients; a dash for a deterministic model."""
    found = comparison.of_model(record, name, "kl_per_coefficient")
    return mean_std([None if values is None else sum(values) for values in found])


def falling_cell(results: list[dict[str, Any]]) -> str:
    """By how much the loss still fell in the last tenth of the steps, in percent: near 0 for a run that converged."""
    return mean_std([r["convergence"]["fall_in_last_tenth_percent"] for r in results])


def divergence_remark(record: Mapping[str, Any]) -> str:
    """Which models have runs that diverged, in words."""
    sick = {name: 0 for name in comparison.model_names(record)}
    for result in record["results"]:
        sick[result["model"]] += not result["metrics"]
    return ", ".join(f"{name}: {count} diverged" for name, count in sick.items() if count)


def closing(record: Mapping[str, Any], *remarks: str) -> list[str]:
    """What stands under the table of a study: `closing_lines` with these remarks and, last, which runs diverged."""
    return closing_lines(record, "; ".join(filter(None, [*remarks, divergence_remark(record)])))


def pictures(record: Mapping[str, Any], out: Path, train: Dataset) -> dict[str, go.Figure]:
    """Test errors by seed, generated images and singular values of the first seed, from the checkpoints in `out`."""
    seed = record["seeds"][0]
    names = comparison.model_names(record)
    models = comparison.load_models(record, out, seed)
    key = jax.random.key(seed)
    samples = [evaluation.generate(model, train, 12, key=key) for model in models.values()]
    errors = {name: comparison.of_model(record, name, "test_error") for name in names}
    values = {name: comparison.of_model(record, name, "singular_values") for name in models}
    limits = train.value_range
    return {
        "errors": figures.seed_strip(errors, title="Test error by seed", floors=record["floors"]),
        "samples": figures.image_grid(
            np.concatenate(samples), 12, title=f"Generated, seed {seed}", row_names=list(models), limits=limits
        ),
        "singular_values": figures.sweep_lines(
            {name: found[0] for name, found in values.items()},
            x=range(1, 1 + max(len(found[0]) for found in values.values())),
            title=f"Singular values of the coefficients, seed {seed}",
            axis_names=("number", "singular value / √N"),
            logarithmic=True,
        ),
    }
