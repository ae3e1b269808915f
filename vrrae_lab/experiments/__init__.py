"""The papers' tables and figures as small frozen dataclasses: settings in, a record and its table out."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import plotly.graph_objects as go

from vrrae_lab.checks import check_kind
from vrrae_lab.experiments.ablations import Ablations
from vrrae_lab.experiments.avae import Avae
from vrrae_lab.experiments.bandwidth_table import BandwidthTable
from vrrae_lab.experiments.batch_size import BatchSize
from vrrae_lab.experiments.beta_sweep import BetaSweep
from vrrae_lab.experiments.beta_training import BetaTraining
from vrrae_lab.experiments.bumps import Bumps
from vrrae_lab.experiments.collapse_map import CollapseMap
from vrrae_lab.experiments.comparison import of_model
from vrrae_lab.experiments.cost import Cost
from vrrae_lab.experiments.image_sets import CelebA, Cifar10, ImageSet, Mnist
from vrrae_lab.experiments.record import Record, read_record, shipped_record
from vrrae_lab.experiments.study import Study
from vrrae_lab.experiments.two_records import compare_records
from vrrae_lab.experiments.zoo import Zoo


class Experiment(Protocol):
    """What the command line asks of an experiment, a frozen dataclass whose defaults are the paper's setting."""

    description: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    @classmethod
    def fast(cls) -> "Experiment":
        """A reduced setting of a few minutes."""

    @classmethod
    def tiny(cls) -> "Experiment":
        """Seconds; for tests. Its results mean nothing."""

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]:
        """Do what is missing in the folder `out`, and write `out`/record.json; the record, as written."""

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """The record as Markdown."""

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Figures of the record, by file name without ending; `out` is where it was made."""


Kind = TypeVar("Kind", BandwidthTable, Bumps, Study)
EXPERIMENTS: dict[str, type[Experiment]] = {
    "bumps": Bumps,
    **{
        kind.name: kind
        for kind in (
            Mnist,
            Cifar10,
            CelebA,
            Ablations,
            Zoo,
            BatchSize,
            BetaSweep,
            BetaTraining,
            CollapseMap,
            Cost,
            Avae,
        )
    },
    "bandwidth_table": BandwidthTable,
}
Record.tables.update({name: kind.table for name, kind in EXPERIMENTS.items()})


def short_run(kind: type[Kind]) -> Kind:
    """The setting a notebook runs: the fast one, or a tiny one where the environment has VRRAE_LAB_FAST=1.

    The tiny one only shows that everything works; its results mean nothing.

    Raises:
        TypeError: if it is no kind of experiment.
    """
    check_kind("kind", kind, type, "give a class of vrrae_lab.experiments, such as Bumps")
    return kind.tiny() if os.environ.get("VRRAE_LAB_FAST") == "1" else kind.fast()


__all__ = [
    "EXPERIMENTS",
    "Ablations",
    "Avae",
    "BandwidthTable",
    "BatchSize",
    "BetaSweep",
    "BetaTraining",
    "Bumps",
    "CelebA",
    "Cifar10",
    "CollapseMap",
    "Cost",
    "Experiment",
    "ImageSet",
    "Mnist",
    "Record",
    "Study",
    "Zoo",
    "compare_records",
    "of_model",
    "read_record",
    "shipped_record",
    "short_run",
]
