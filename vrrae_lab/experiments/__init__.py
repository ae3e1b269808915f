"""The papers' tables and figures as small frozen dataclasses: settings in, a record and its table out."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import plotly.graph_objects as go

from vrrae_lab.experiments.ablations import Ablations
from vrrae_lab.experiments.avae import Avae
from vrrae_lab.experiments.bandwidth_table import BandwidthTable
from vrrae_lab.experiments.batch_size import BatchSize
from vrrae_lab.experiments.beta_sweep import BetaSweep
from vrrae_lab.experiments.bumps import Bumps
from vrrae_lab.experiments.collapse_map import CollapseMap
from vrrae_lab.experiments.comparison import of_model
from vrrae_lab.experiments.cost import Cost
from vrrae_lab.experiments.image_sets import CelebA, Cifar10, ImageSet, Mnist
from vrrae_lab.experiments.record import shipped_record
from vrrae_lab.experiments.study import Study
from vrrae_lab.experiments.zoo import Zoo


class Experiment(Protocol):
    """What the command line asks of an experiment; the defaults of its fields are the paper's setting."""

    description: ClassVar[str]

    @classmethod
    def fast(cls) -> "Experiment": ...

    @classmethod
    def tiny(cls) -> "Experiment": ...

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]: ...

    @staticmethod
    def table(record: Mapping[str, Any]) -> str: ...

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]: ...


Kind = TypeVar("Kind", BandwidthTable, Bumps, Study)
EXPERIMENTS: dict[str, type[Bumps] | type[Study] | type[BandwidthTable]] = {
    "bumps": Bumps,
    **{
        kind.name: kind
        for kind in (Mnist, Cifar10, CelebA, Ablations, Zoo, BatchSize, BetaSweep, CollapseMap, Cost, Avae)
    },
    "bandwidth_table": BandwidthTable,
}


def short_run(kind: type[Kind]) -> Kind:
    """The setting a notebook runs: the fast one, or a tiny one where the environment has VRRAE_LAB_FAST=1.

    The tiny one only shows that everything works; its results mean nothing.
    """
    return kind.tiny() if os.environ.get("VRRAE_LAB_FAST") == "1" else kind.fast()


__all__ = [
    "EXPERIMENTS",
    "Ablations",
    "Avae",
    "BandwidthTable",
    "BatchSize",
    "BetaSweep",
    "Bumps",
    "CelebA",
    "Cifar10",
    "CollapseMap",
    "Cost",
    "Experiment",
    "ImageSet",
    "Mnist",
    "Study",
    "Zoo",
    "of_model",
    "shipped_record",
    "short_run",
]
