r"""Losses, called as `loss(model, batch, key=key) -> (value, terms)`.

Ours are per sample and in nats: squared error summed over the features and KL divergence summed over the coefficients,
both averaged over the batch, so β means the same at every batch size. The papers' convention, needed to rerun their
experiments, is a separate pair of losses: a relative, un-squared norm in percent, and a KL divergence *summed* over
the batch. The two do not share a scale of β: a step of the papers' loss is one of ours with

$$\beta_{\text{ours}} = \beta_{\text{paper}} \, \frac{\lVert \hat X - X \rVert \, \lVert X \rVert}{50},$$

which changes while the model learns. Copying a value of β from one convention to the other is a mistake.

The other losses take their convention as an argument, `reconstruction`: a penalty of single samples is averaged over
the batch beside a `Reconstruction`, and summed beside a `PaperReconstruction`.

What each adds to the reconstruction, and for which models:

- `Variational`, `PaperVariational`: the KL divergence to the prior; any with a Gaussian posterior;
- `TotalCorrelation`: that divergence in three parts, weighed apart (β-TCVAE); likewise;
- `Sparse`: units that are active too often or too seldom; `sparse_ae`;
- `Contractive`: how fast the latents change with the image; any without the SVD of a batch;
- `AggregateMatching`: the average of all posteriors against the prior (AVAE); any without the SVD of a batch;
- `NuclearNorm`: rank of the matrix before the latents; `lorae`.

Sources: Kingma & Welling, arXiv 1312.6114, Eq. 3; Higgins et al. 2017 (β); Mounayer et al., arXiv 2505.09458, Eq. 2;
Chen et al., arXiv 1802.04942 (β-TCVAE); Ng, *Sparse autoencoder*, CS294A lecture notes, 2011; Rifai et al., ICML 2011
(contractive); Mazumder et al., arXiv 2310.16194 (LoRAE); Saha et al., arXiv 2311.07693 (AVAE).
"""

from vrrae_lab.losses.aggregate import AggregateMatching
from vrrae_lab.losses.penalties import Contractive, NuclearNorm, Sparse
from vrrae_lab.losses.total_correlation import MinibatchStratified, MinibatchWeighted, TotalCorrelation
from vrrae_lab.losses.variational import (
    Convention,
    Loss,
    PaperReconstruction,
    PaperVariational,
    Reconstruction,
    Terms,
    Variational,
)

__all__ = [
    "AggregateMatching",
    "Contractive",
    "Convention",
    "Loss",
    "MinibatchStratified",
    "MinibatchWeighted",
    "NuclearNorm",
    "PaperReconstruction",
    "PaperVariational",
    "Reconstruction",
    "Sparse",
    "Terms",
    "TotalCorrelation",
    "Variational",
]
