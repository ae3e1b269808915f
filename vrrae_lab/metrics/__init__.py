"""How well a model does, whether it has collapsed, and how far its samples are from what they should be.

A figure means little alone, so what it should be held against is here too: linear maps and nearest images beside
errors, two sets of one distribution beside distances, samples of the prior beside entropies.
"""

from vrrae_lab.metrics.bumps import bump_fit_error, straightness
from vrrae_lab.metrics.collapse import ACTIVE_VARIANCE, active_units, effective_rank, kl_per_coefficient
from vrrae_lab.metrics.distances import (
    cubic_kernel,
    frechet_distance,
    kernel_distance,
    mean_kernel_distance,
    same_distribution_floor,
)
from vrrae_lab.metrics.entropy import LatentEntropy, latent_entropy, leave_one_out_entropy
from vrrae_lab.metrics.inputs import Estimate, Spread
from vrrae_lab.metrics.precision_recall import (
    PRDCurve,
    PrecisionRecall,
    improved_precision_recall,
    prd,
    prd_of_histograms,
)
from vrrae_lab.metrics.reconstruction import (
    Samples,
    TrainingSamples,
    linear_error,
    linear_test_error,
    nearest_image_error,
    relative_error,
)
from vrrae_lab.metrics.two_sample import TwoSampleResult, energy_distance, two_sample_test

__all__ = [
    "ACTIVE_VARIANCE",
    "Estimate",
    "LatentEntropy",
    "PRDCurve",
    "PrecisionRecall",
    "Samples",
    "Spread",
    "TrainingSamples",
    "TwoSampleResult",
    "active_units",
    "bump_fit_error",
    "cubic_kernel",
    "effective_rank",
    "energy_distance",
    "frechet_distance",
    "improved_precision_recall",
    "kernel_distance",
    "kl_per_coefficient",
    "latent_entropy",
    "leave_one_out_entropy",
    "linear_error",
    "linear_test_error",
    "mean_kernel_distance",
    "nearest_image_error",
    "prd",
    "prd_of_histograms",
    "relative_error",
    "same_distribution_floor",
    "straightness",
    "two_sample_test",
]
