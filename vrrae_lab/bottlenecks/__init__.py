r"""What lies between encoder and decoder: nothing, linear layers, a sigmoid, a Gaussian, a truncated SVD, or both.

Every bottleneck answers three calls:

- `bottleneck(latents, key=key)`: the training pass; the posterior of the batch and one draw of what the decoder sees;
- `bottleneck.encode(latents)`: the posterior over the coefficients;
- `bottleneck.decode(z)`: coefficients to what the decoder sees.

The low-rank ones hold a basis: `BatchBasis` decomposes whatever batch it is given, `AdaptiveBasis` does so with a rank
that changes during training, `FixedBasis` projects on a matrix.
In our batch-first convention `coefficients = latents @ basis` and `low_rank_latents = coefficients @ basis.T`; the
papers' matrices are the transposes. A basis with `centre=True` takes the mean of the batch off the latents before the
SVD and adds it to the low-rank latents again; the papers' does not.

Sources: Mounayer et al., arXiv 2505.09458, section 3 (VRRAE) and arXiv 2405.13980, section 2 (RRAE); Kingma & Welling,
arXiv 1312.6114 (VAE); Jing et al., arXiv 2010.00679 (IRMAE); Mazumder et al., arXiv 2310.16194 (LoRAE).
"""

from vrrae_lab.bottlenecks.bases import AdaptiveBasis, Basis, BatchBasis, FixedBasis
from vrrae_lab.bottlenecks.full_rank import (
    Activations,
    Bottleneck,
    Draw,
    Identity,
    LinearStack,
    MeanLayer,
    Sigmoid,
    Variational,
)
from vrrae_lab.bottlenecks.low_rank import LowRank, VariationalLowRank

__all__ = [
    "Activations",
    "AdaptiveBasis",
    "Basis",
    "BatchBasis",
    "Bottleneck",
    "Draw",
    "FixedBasis",
    "Identity",
    "LinearStack",
    "LowRank",
    "MeanLayer",
    "Sigmoid",
    "Variational",
    "VariationalLowRank",
]
