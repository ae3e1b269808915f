"""The papers' tables and figures as small frozen dataclasses: settings in, a record and its table out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import plotly.graph_objects as go

from vrrae_lab.experiments.bumps import Bumps
from vrrae_lab.experiments.mnist import Mnist


class Experiment(Protocol):
    """What the command line asks of an experiment; the defaults of its fields are the paper's setting."""

    description: ClassVar[str]

    @classmethod
    def fast(cls) -> "Experiment": ...

    def run(self, out: Path, *, progress: bool = True) -> dict[str, Any]: ...

    @staticmethod
    def table(record: Mapping[str, Any]) -> str: ...

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]: ...


EXPERIMENTS: dict[str, type[Bumps] | type[Mnist]] = {"bumps": Bumps, "mnist": Mnist}

__all__ = ["EXPERIMENTS", "Bumps", "Experiment", "Mnist"]
