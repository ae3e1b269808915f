"""VAE and VRRAE at several batch sizes, with the papers' loss and with ours (VRRAE paper, Appendix A.5).

The papers' KL divergence is summed over the batch beside an error that is relative, so their β weighs more in a larger
batch; ours is per sample and means the same in all. Every run makes the same number of updates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from vrrae_lab import figures
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Candidate
from vrrae_lab.experiments.study import Study, closing, model_table
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.losses import Loss, PaperVariational, Variational

MODELS = ("VAE", "VRRAE")
LOSSES = ("paper loss", "our loss")
MATCHED_ERROR = 10.0  # percent


@dataclass(frozen=True)
class BatchSize(Study):
    """The same models at several batch sizes.

    The weight of our KL divergence is the one that equals the papers' β at their batch size (the subject's) when the
    error is 10 %; see `matching_beta`.

    Attributes:
        batch_sizes: images per step; no smaller than the rank.
    """

    name: ClassVar[str] = "batch_size"
    description: ClassVar[str] = "VAE and VRRAE at batch sizes 8 to 64, with the papers' loss and with ours"
    checkpoints: ClassVar[bool] = False
    scored: ClassVar[bool] = False

    batch_sizes: tuple[int, ...] = (8, 16, 32, 64)

    @classmethod
    def tiny(cls) -> "BatchSize":
        """Seconds; for tests. Its results mean nothing."""
        return cls(extent=Extent.TINY, num_seeds=2, batch_sizes=(8, 16))

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """Both models with both losses at every batch size."""
        narrow, wide = self.subject.sizes
        betas = (self.subject.vae_beta, self.subject.vrrae_beta)
        found, x = {}, evaluation.bounded(train).x
        for size in self.batch_sizes:
            for model, arguments, beta in zip(MODELS, (narrow, wide), betas, strict=True):
                ours = matching_beta(x, beta, self.subject.batch_size, MATCHED_ERROR)
                losses: tuple[Loss, Loss] = PaperVariational(beta), Variational(ours)
                for title, loss in zip(LOSSES, losses, strict=True):
                    found[_name(model, title, size)] = Candidate(model.lower(), arguments, loss, batch_size=size)
        return found

    def facts(self, train: Dataset) -> dict[str, Any]:
        """The weight of our KL divergence, of both models."""
        betas = {"VAE": self.subject.vae_beta, "VRRAE": self.subject.vrrae_beta}
        size, x = self.subject.batch_size, evaluation.bounded(train).x
        return {"our_beta": {model: matching_beta(x, b, size, MATCHED_ERROR) for model, b in betas.items()}}

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """One row per model, loss and batch size, as Markdown: mean ± standard deviation over the seeds."""
        settings, ours = record["settings"], record["data"]["our_beta"]
        remark = "; ".join(
            f"{model}: beta {settings[f'{model.lower()}_beta']:g} in the papers' loss, {ours[model]:.3g} in ours"
            for model in MODELS
        )
        return "\n".join([model_table(record), "", *closing(record, remark)])

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Test error and KL divergence per image against the batch size; means over the seeds."""
        sizes = record["settings"]["batch_sizes"]
        errors, divergences = {}, {}
        for model in MODELS:
            for title in LOSSES:
                names = [_name(model, title, size) for size in sizes]
                found = [comparison.of_model(record, name, "test_error") for name in names]
                errors[f"{model}, {title}"] = [float(np.mean(values)) if values else None for values in found]
                found = [comparison.of_model(record, name, "kl_per_coefficient") for name in names]
                divergences[f"{model}, {title}"] = [
                    float(np.mean([sum(v) for v in values])) if values else None for values in found
                ]
        return {
            "errors": figures.sweep_lines(
                errors, x=sizes, title="Test error against the batch size", axis_names=("batch size", "test error (%)")
            ),
            "kl": figures.sweep_lines(
                divergences,
                x=sizes,
                title="KL divergence per image against the batch size",
                axis_names=("batch size", "KL (nats)"),
            ),
        }


def matching_beta(x: Float[np.ndarray, "count ..."], beta: float, batch_size: int, error: float) -> float:
    r"""The β of `losses.Variational` whose gradient is parallel to that of `losses.PaperVariational(beta)`.

    $\beta_{\text{ours}} = \beta\,\lVert \hat X - X\rVert\,\lVert X\rVert / 50$ for a batch X (claim 17), here for one
    whose images have the mean square of `x`.

    Args:
        x: images, batch first.
        beta: weight of the KL divergence summed over the batch.
        batch_size: images in the papers' batch.
        error: $100\,\lVert \hat X - X\rVert / \lVert X\rVert$ at which the two shall agree, in percent.
    """
    squared_norm = batch_size * float((np.asarray(x, float) ** 2).sum() / len(x))
    return beta * (error / 100) * squared_norm / 50


def _name(model: str, loss: str, size: int) -> str:
    return f"{model}, {loss}, batch {size}"
