r"""Where VAE and VRRAE collapse: a grid of β and learning rate, with the threshold of the linear models drawn in.

With the per-sample loss `losses.Variational` (squared error without a ½) a *linear* VAE or VRRAE loses coefficient j
at its optimum where $\lambda_j^2 < \beta / 2$, with $\lambda_j^2$ the eigenvalues of the pixels' covariance. For a
network the same number decides whether the wholly collapsed state is stable: near it the decoder is linear in the
coefficients, and no function of the image of unit variance has a larger squared covariance with the pixels than
$\lambda_1^2$. So above $\beta = 2 \lambda_1^2$ that state attracts from nearby; below it does not, whatever the
network. Collapse far below the threshold is then a matter of the optimisation, and what a robust model is free of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go

from vrrae_lab import figures
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import CENTRED, Candidate
from vrrae_lab.experiments.record import markdown_table, mean_std
from vrrae_lab.experiments.study import Study, closing, falling_cell
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.losses import Variational

MODELS = ("VAE", "VRRAE", CENTRED)


@dataclass(frozen=True)
class CollapseMap(Study):
    """Share of collapsed coefficients and test error on a grid.

    Attributes:
        relative_betas: values of β as multiples of $2 \\lambda_1^2$, where the first coefficient of a linear model
            collapses; positive and rising. The papers' β of 10⁻³ on bumps of 64×64 pixels is about 10⁻³ of it.
        learning_rates: of AdaBelief.
    """

    name: ClassVar[str] = "collapse_map"
    description: ClassVar[str] = "where VAE and VRRAE collapse: beta against learning rate, with the linear threshold"
    checkpoints: ClassVar[bool] = False
    scored: ClassVar[bool] = False

    relative_betas: tuple[float, ...] = (1e-3, 1e-2, 0.1, 0.4, 0.8, 1.6)
    learning_rates: tuple[float, ...] = (1e-4, 1e-3, 1e-2)

    @classmethod
    def fast(cls) -> "CollapseMap":
        """A reduced setting: at most three minutes on two idle CPU cores."""
        return cls(
            extent=Extent.FAST,
            num_seeds=2,
            num_steps=200,
            relative_betas=(1e-3, 0.1, 0.7, 1.4),
            learning_rates=(3e-4, 1e-3, 3e-3),
        )

    @classmethod
    def tiny(cls) -> "CollapseMap":
        """Seconds; for tests. Its results mean nothing."""
        return replace(
            cls.fast(), extent=Extent.TINY, num_steps=None, relative_betas=(1e-3, 1.4), learning_rates=(1e-3, 1e-2)
        )

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The models at every point of the grid."""
        narrow, wide = self.subject.sizes
        found = {}
        for model, arguments in zip(MODELS, (narrow, wide, wide | {"centre": True}), strict=True):
            for rate in self.learning_rates:
                for relative, beta in zip(self.relative_betas, self._betas(train), strict=True):
                    constructor = "vae" if model == "VAE" else "vrrae"
                    candidate = Candidate(constructor, arguments, Variational(beta), learning_rate=rate)
                    found[_name(model, relative, rate)] = candidate
        return found

    def facts(self, train: Dataset) -> dict[str, Any]:
        """The eigenvalues that decide the thresholds, and the values of β."""
        return {
            "pixel_eigenvalues": evaluation.pixel_eigenvalues(evaluation.bounded(train).x, self.subject.rank),
            "betas": self._betas(train),
        }

    def _betas(self, train: Dataset) -> list[float]:
        (largest,) = evaluation.pixel_eigenvalues(evaluation.bounded(train).x, 1)
        return [relative * 2 * largest for relative in self.relative_betas]

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """One row per model and β: share of collapsed coefficients and test error at every rate, as Markdown."""
        settings = record["settings"]
        head = ["model", "beta", "of threshold"]
        head += [f"rate {rate:g}: collapsed, test %" for rate in settings["learning_rates"]]
        rows = []
        for model in _models(record):
            for relative, beta in zip(settings["relative_betas"], record["data"]["betas"], strict=True):
                cells = [_grid_cell(record, _name(model, relative, r)) for r in settings["learning_rates"]]
                rows.append([model, f"{beta:.3g}", f"{relative:g}", *cells])
        found = thresholds(record)
        # many coefficients have as many thresholds: the first and the last say where collapse begins and is complete
        ends = ", ".join(f"coefficient {j + 1} at beta = {found[j]:.3g}" for j in sorted({0, len(found) - 1}))
        fall = falling_cell(record["results"])
        lines = [f"a linear model loses {ends}", f"the losses still fell by {fall} % in the last tenth of the steps"]
        verdicts = [_verdict(record, model) for model in _models(record)]
        return "\n".join([markdown_table(head, rows), "", *lines, *closing(record, *verdicts)])

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Collapse and error against β, a line for each model and rate; means over the seeds."""
        settings, betas = record["settings"], record["data"]["betas"]
        metrics = {
            "collapsed": ("share of collapsed coefficients", _shares),
            "errors": ("test error (%)", lambda record, name: comparison.of_model(record, name, "test_error")),
        }
        drawn = {}
        for key, (quantity, values) in metrics.items():
            curves = {
                f"{model}, rate {rate:g}": [
                    float(np.mean(found)) if (found := values(record, _name(model, b, rate))) else None
                    for b in settings["relative_betas"]
                ]
                for model in _models(record)
                for rate in settings["learning_rates"]
            }
            figure = figures.sweep_lines(
                curves,
                x=betas,
                title=f"Mean over {len(record['seeds'])} seeds; dashed: the thresholds of a linear model",
                axis_names=("β (per sample, in nats)", quantity),
            )
            for threshold in thresholds(record):
                if betas[0] < threshold < betas[-1]:
                    place = np.interp(np.log(threshold), np.log(betas), range(len(betas)))
                    figure.add_vline(x=float(place), line={"color": figures.INK, "dash": "dash", "width": 1})
            drawn[key] = figure
        return drawn


def _models(record: Mapping[str, Any]) -> list[str]:
    """The models of a record; older ones have no centred one."""
    settings, names = record["settings"], comparison.model_names(record)
    return [m for m in MODELS if _name(m, settings["relative_betas"][0], settings["learning_rates"][0]) in names]


def thresholds(record: Mapping[str, Any]) -> list[float]:
    r"""$2 \lambda_j^2$ for every coefficient: the β beyond which a linear model loses it, falling with j."""
    return [2 * eigenvalue for eigenvalue in record["data"]["pixel_eigenvalues"]]


def lost_below(record: Mapping[str, Any]) -> dict[str, list[int]]:
    """For each model, in how many runs below every linear threshold a coefficient was lost: a count for each seed."""
    settings, lowest = record["settings"], thresholds(record)[-1]
    below = [b for b, beta in zip(settings["relative_betas"], record["data"]["betas"], strict=True) if beta < lowest]
    found = {}
    for model in _models(record):
        names = [_name(model, b, rate) for b in below for rate in settings["learning_rates"]]
        shares = [comparison.collapsed_shares(record, name) for name in names]
        found[model] = [sum(by_seed.get(seed, 0) > 0 for by_seed in shares) for seed in record["seeds"]]
    return found


def _shares(record: Mapping[str, Any], name: str) -> list[float]:
    return list(comparison.collapsed_shares(record, name).values())


def _grid_cell(record: Mapping[str, Any], name: str) -> str:
    shares = _shares(record, name)
    if not shares:
        return "–"
    return f"{np.mean(shares):.2f}, {mean_std(comparison.of_model(record, name, 'test_error'))}"


def _verdict(record: Mapping[str, Any], model: str) -> str:
    """In how many runs below every linear threshold, and above them all, a coefficient is lost, in words."""
    settings, found = record["settings"], thresholds(record)
    parts = []
    for side, inside in (("below", lambda b: b < found[-1]), ("above", lambda b: b > found[0])):
        shares = [
            share
            for relative, beta in zip(settings["relative_betas"], record["data"]["betas"], strict=True)
            for rate in settings["learning_rates"]
            for share in _shares(record, _name(model, relative, rate))
            if inside(beta)
        ]
        parts.append(f"{sum(share > 0 for share in shares)} of {len(shares)} runs {side} them")
    return f"{model}, a coefficient lost: {parts[0]}, {parts[1]}"


def _name(model: str, relative_beta: float, rate: float) -> str:
    return f"{model}, {relative_beta:g} of the threshold, rate {rate:g}"
