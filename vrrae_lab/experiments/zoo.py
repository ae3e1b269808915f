"""Every model of the papers side by side (VRRAE paper, Table A.4-3 and Appendix A.6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Array, Key

from vrrae_lab import metrics, papers
from vrrae_lab.adaptive_rank import AdaptiveRank
from vrrae_lab.data import Dataset
from vrrae_lab.experiments import comparison, evaluation
from vrrae_lab.experiments.plan import Candidate
from vrrae_lab.experiments.record import mean_std
from vrrae_lab.experiments.scores import published, with_scores
from vrrae_lab.experiments.study import Study, closing, model_table, pictures
from vrrae_lab.experiments.subjects import Extent
from vrrae_lab.losses import (
    Contractive,
    MinibatchStratified,
    NuclearNorm,
    PaperReconstruction,
    PaperVariational,
    Sparse,
    TotalCorrelation,
)
from vrrae_lab.models import Autoencoder

LOOKS_AT_THE_LOSS = 40  # of the adaptive rank, in a run


@dataclass(frozen=True)
class Zoo(Study):
    """All models, with the papers' convention of the loss.

    The papers give λ of LoRAE and, on some data, β; the other weights are ours.

    Attributes:
        nuclear_weight: λ of LoRAE.
        sparse_beta: weight of the sparsity of the sparse autoencoder.
        contractive_beta: weight of the squared Jacobian, summed over the batch and estimated with one probe an image.
        correlation_factor: weight of the total correlation of β-TCVAE in units of the VAE's β.
        num_generated: images for the error of generated bumps.
    """

    name: ClassVar[str] = "zoo"
    description: ClassVar[str] = "every model of the papers side by side"

    nuclear_weight: float = 1e-3
    sparse_beta: float = 1e-2
    contractive_beta: float = 1e-3
    correlation_factor: float = 6.0
    num_generated: int = 400

    @classmethod
    def fast(cls) -> "Zoo":
        """A reduced setting: at most three minutes on two idle CPU cores."""
        return cls(extent=Extent.FAST, num_seeds=2, num_steps=150)

    def candidates(self, train: Dataset) -> dict[str, Candidate]:
        """The models by name."""
        own = self.subject
        narrow, wide = own.sizes
        long = {"shape": own.shape, "latent_size": own.latent_size}
        paper = PaperReconstruction()
        tcvae = TotalCorrelation(
            self.correlation_factor * own.vae_beta,
            MinibatchStratified(len(train)),
            alpha=own.vae_beta,
            gamma=own.vae_beta,
            reconstruction=paper,
        )
        start = wide | {"rank": min(4 * own.rank, own.latent_size, own.batch_size)}
        every = max(1, own.num_steps // LOOKS_AT_THE_LOSS)
        return {
            "AE": Candidate("ae", narrow, paper),
            "Long AE": Candidate("long_ae", long, paper),
            "VAE": Candidate("vae", narrow, PaperVariational(own.vae_beta)),
            "VAE (f = I)": Candidate("vae_identity", narrow, PaperVariational(own.vae_beta)),
            "beta-TCVAE": Candidate("beta_tcvae", narrow, tcvae),
            "RRAE": Candidate("rrae", wide, paper),
            "adaptive RRAE": Candidate("adaptive_rrae", start, paper, callback=lambda: AdaptiveRank(every)),
            "RRAE+VAE": Candidate("rrae_vae", wide, PaperVariational(own.vrrae_beta)),
            "VRRAE": Candidate("vrrae", wide, PaperVariational(own.vrrae_beta)),
            "IRMAE (2)": Candidate("irmae", long | {"num_matrices": 2}, paper),
            "IRMAE (4)": Candidate("irmae", long | {"num_matrices": 4}, paper),
            "LoRAE": Candidate("lorae", long, NuclearNorm(self.nuclear_weight, paper)),
            "Sparse AE": Candidate("sparse_ae", long, Sparse(self.sparse_beta, reconstruction=paper)),
            "Contractive AE": Candidate("contractive_ae", long, Contractive(self.contractive_beta, 1, paper)),
        }

    def evaluate(self, model: Autoencoder, train: Dataset, test: Dataset, key: Key[Array, ""]) -> dict[str, Any]:
        """Also the error of generated bumps."""
        generated = evaluation.generation_error(model, train, self.num_generated, key=key)
        return evaluation.evaluate(model, train, test) | {"generation_error": generated}

    @staticmethod
    def table(record: Mapping[str, Any]) -> str:
        """One row per model, as Markdown: mean ± standard deviation over the seeds."""
        names = comparison.model_names(record)
        generated = {name: mean_std(comparison.of_model(record, name, "generation_error")) for name in names}
        ranks = {
            name: mean_std(
                [
                    metrics.effective_rank(np.asarray(values))
                    for values in comparison.of_model(record, name, "singular_values")
                ]
            )
            for name in names
        }
        table = model_table(record, {"generation %": generated, "effective rank": ranks})
        printed = published(record, papers.TABLE_2, papers.TABLE_A_4_3)  # which repeats the other
        return with_scores(table, record, printed, *closing(record))

    def figures(self, record: Mapping[str, Any], out: Path) -> dict[str, go.Figure]:
        """Test errors by seed, generated images and singular values, from the checkpoints in `out`."""
        train, _ = self.images()
        return pictures(record, out, train)
