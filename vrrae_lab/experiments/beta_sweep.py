"""VRRAE and VAE over a list of β (VRRAE paper, Table A.3-2, Figures A.2-1 and A.2-2)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go

from vrrae_lab import figures, papers
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison
from vrrae_lab.experiments.plan import CENTRED, Candidate
from vrrae_lab.experiments.scores import with_scores
from vrrae_lab.experiments.study import Study, closing, model_table
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.losses import PaperVariational, Variational

MOST_LINES = 4  # coefficients drawn per model; others lie between the first and the last


@dataclass(frozen=True)
class BetaSweep(Study):
    """Errors, collapse and the scale of the coefficients against β, in the papers' loss.

    Attributes:
        betas: weights of the summed KL divergence, 0 among them. What they mean depends on the batch size.
    """

    name: ClassVar[str] = "beta_sweep"
    description: ClassVar[str] = "VAE and VRRAE over a list of beta: errors, collapse, singular values"
    checkpoints: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ("VAE", "VRRAE", CENTRED)
    loss: ClassVar[type[PaperVariational] | type[Variational]] = PaperVariational
    axis: ClassVar[str] = "β (the papers' loss)"

    betas: tuple[float, ...] = (0.0, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

    @classmethod
    def fast(cls) -> "BetaSweep":
        """A reduced setting: at most three minutes on two idle CPU cores."""
        return cls(extent=Extent.FAST, num_seeds=2, betas=(0.0, 1e-3, 1e-2, 1e-1, 1.0))

    @classmethod
    def tiny(cls) -> "BetaSweep":
        """Seconds; for tests. Its results mean nothing."""
        return replace(cls.fast(), extent=Extent.TINY, num_steps=None, betas=(0.0, 1e-2))

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The models with every β."""
        narrow, wide = self.subject.sizes
        made = {"VAE": ("vae", narrow), "VRRAE": ("vrrae", wide), CENTRED: ("vrrae", wide | {"centre": True})}
        return {
            _name(model, beta): Candidate(*made[model], self.loss(beta)) for beta in self.betas for model in self.models
        }

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """One row per model and β, as Markdown: mean ± standard deviation over the seeds."""
        printed = {
            _name(model, beta): {"generation": number}
            for model, row in papers.TABLE_A_3_2.get(record["settings"]["data"], {}).items()
            for beta, number in row.items()
        }
        return with_scores(model_table(record), record, printed, *closing(record))

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Errors, and the scale of each coefficient, against β; means over the seeds."""
        betas = record["settings"]["betas"]
        errors: dict[str, list[float | None]] = {}
        scales: dict[str, list[float | None]] = {}
        spreads: dict[str, list[float | None]] = {}
        rank = record["settings"]["rank"]
        for model in self._models(record):
            for part in ("train", "test"):
                errors[f"{model}, {part}"] = [_mean(record, _name(model, b), f"{part}_error") for b in betas]
            for j in _drawn(rank):
                line = f"{model}, {j + 1}"
                scales[line] = [_mean(record, _name(model, b), "singular_values", j) for b in betas]
                spreads[line] = [_mean(record, _name(model, b), "variance_of_means", j) for b in betas]
        spreads = {name: [None if v is None else v**0.5 for v in values] for name, values in spreads.items()}
        axes = (self.axis, "singular value / √N")
        return {
            "errors": figures.sweep_lines(errors, x=betas, title="Errors against β", axis_names=(axes[0], "error (%)")),
            "singular_values": figures.sweep_lines(
                scales, x=betas, title="Singular values of the posterior means", axis_names=axes, logarithmic=True
            ),
            "spread_of_means": figures.sweep_lines(
                spreads,
                x=betas,
                title="Spread of the posterior means, the largest first",
                axis_names=(axes[0], "standard deviation"),
                logarithmic=True,
            ),
        }

    def _models(self, record: Mapping[str, Any]) -> list[str]:
        """The models of a record; older ones have no centred one."""
        first, known = record["settings"]["betas"][0], comparison.model_names(record)
        return [model for model in self.models if _name(model, first) in known]


def _name(model: str, beta: float) -> str:
    return f"{model}, beta {beta:g}"


def _drawn(rank: int) -> list[int]:
    return sorted({*range(min(MOST_LINES - 1, rank)), rank - 1})


def _mean(record: Mapping[str, Any], name: str, metric: str, place: int | None = None) -> float | None:
    """Over the seeds, of a metric or of one of its values, the largest first; None where no run finished."""
    values = comparison.of_model(record, name, metric)
    if place is not None:
        values = [sorted(value, reverse=True)[place] for value in values]
    return float(np.mean(values)) if values else None
