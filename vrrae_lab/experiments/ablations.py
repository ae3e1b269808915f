"""What each part of a VRRAE is for (VRRAE paper, Table 3): without f = I, without SVD, without KL divergence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Key

from vrrae_lab import linalg, papers
from vrrae_lab.bottlenecks import FixedBasis
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Candidate
from vrrae_lab.experiments.record import mean_std
from vrrae_lab.experiments.scores import published, with_scores
from vrrae_lab.experiments.study import Study, closing, model_table, pictures
from vrrae_lab.losses import PaperVariational
from vrrae_lab.models import Autoencoder, Images, as_floats, in_batches

MOST_BATCHES = 20


@dataclass(frozen=True)
class Ablations(Study):
    """RRAE+VAE (the mean is a trained map f of the coefficients), VAE with f = I, VRRAE with β = 0, and VRRAE.

    Beside the errors it is measured how much of a batch's energy lies in the basis of the whole training set, as the
    paper holds that f = I is what lets the bases converge to a common one.

    Attributes:
        num_generated: images for the error of generated bumps.
    """

    name: ClassVar[str] = "ablations"
    description: ClassVar[str] = "RRAE+VAE, VAE with f = I, VRRAE with beta = 0, VRRAE: what each part is for"

    num_generated: int = 400

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The four models, with the papers' loss."""
        narrow, wide = self.subject.sizes
        vae_beta, vrrae_beta = self.subject.vae_beta, self.subject.vrrae_beta
        return {
            "RRAE+VAE": Candidate("rrae_vae", wide, PaperVariational(vrrae_beta)),
            "VAE (f = I)": Candidate("vae_identity", narrow, PaperVariational(vae_beta)),
            "VRRAE (beta = 0)": Candidate("vrrae", wide, PaperVariational(0.0)),
            "VRRAE": Candidate("vrrae", wide, PaperVariational(vrrae_beta)),
        }

    def evaluate(self, model: Autoencoder, train: Dataset, test: Dataset, key: Key[Array, ""]) -> dict[str, Any]:
        """Also the error of generated bumps and what the bases share."""
        return evaluation.evaluate(model, train, test) | {
            "generation_error": evaluation.generation_error(model, train, self.num_generated, key=key),
            "batch_basis_overlap": batch_basis_overlap(model, train.x, self.subject.batch_size),
        }

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """One row per model, as Markdown: mean ± standard deviation over the seeds."""
        names = comparison.model_names(record)
        columns = {"generation %": "generation_error"}
        if any("batch_basis_overlap" in result["metrics"] for result in record["results"]):
            columns["batch basis shared %"] = "batch_basis_overlap"
        else:  # an older record has the largest angle
            columns["batch basis, degrees"] = "batch_basis_angle"
        extra = {
            title: {name: mean_std(comparison.of_model(record, name, metric)) for name in names}
            for title, metric in columns.items()
        }
        return with_scores(model_table(record, extra), record, published(record, papers.TABLE_3), *closing(record))

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Test errors by seed, and generated images, from the checkpoints in `out`."""
        train, _ = self.images()
        return pictures(record, out, train)


@eqx.filter_jit
def _latents(encoder: Callable[[Array], Array], x: Array) -> Array:
    return encoder(as_floats(x))


def batch_basis_overlap(model: Autoencoder, x: Images, batch_size: int) -> float | None:
    """Energy of a batch of `x` in its own basis that lies in the frozen one, in percent: mean over batches.

    See `linalg.energy_overlap`. None for models without a basis, and where the encoder gives zeros only. At most 20
    batches are looked at, in the order of `x`.
    """
    basis = getattr(model.bottleneck, "basis", None)
    if not isinstance(basis, FixedBasis):
        return None
    latents = np.asarray(in_batches(partial(_latents, model.encoder), x[: MOST_BATCHES * batch_size]), float)
    batches = [latents[start : start + batch_size] for start in range(0, len(latents) - batch_size + 1, batch_size)]
    if not all(batch.any() for batch in batches):
        return None
    return 100 * float(np.mean([linalg.energy_overlap(batch, basis.matrix) for batch in batches]))
