"""Whether coefficients have collapsed: which of them the encoder uses, and how much each tells."""

import numpy as np
from jaxtyping import Array, Float

from vrrae_lab.checks import as_numbers, check_kind, check_number
from vrrae_lab.gaussian import DiagonalGaussian, Posterior
from vrrae_lab.metrics.inputs import as_rows

ACTIVE_VARIANCE = 0.01


def active_units(
    means: Float[Array, "batch rank"] | Float[np.ndarray, "batch rank"], threshold: float = ACTIVE_VARIANCE
) -> np.ndarray:
    """Which coefficients are used: those whose posterior mean has a variance over the data above `threshold`.

    The others have collapsed: the encoder tells the decoder nothing through them.

    Source: Burda, Grosse & Salakhutdinov, *Importance Weighted Autoencoders*, arXiv 1509.00519, section 5.

    Args:
        means: posterior mean of each image and coefficient.
        threshold: in the squared units of the means; the source's 0.01 presumes a prior of unit variance.

    Returns:
        One boolean per coefficient.

    Raises:
        ValueError: if there are no images, the means are not a matrix or not finite, or the threshold is negative.
    """
    check_number("threshold", threshold)
    if not threshold >= 0:
        raise ValueError(f"threshold = {threshold}: use a variance of 0 or more")
    return as_rows("means", means).var(axis=0) > threshold


def kl_per_coefficient(posterior: Posterior) -> list[float] | None:
    """KL divergence to the prior of each coefficient, mean over the images, in nats; None for a point mass."""
    check_kind("posterior", posterior, Posterior, "give what model.encode returns")
    if not isinstance(posterior, DiagonalGaussian):
        return None
    return np.asarray(posterior.kl(), float).mean(axis=0).tolist()


def effective_rank(singular_values: Float[np.ndarray, " count"]) -> float:
    """Number of directions in use: the exponential of the entropy of the normalised singular values; 0 of nothing.

    Source: Roy & Vetterli, *The effective rank*, EUSIPCO 2007.

    Raises:
        ValueError: unless they are a list of finite numbers, each 0 or more.
    """
    singular_values = as_numbers("singular_values", singular_values)
    if singular_values.ndim != 1 or not (np.isfinite(singular_values) & (singular_values >= 0)).all():
        raise ValueError("singular_values has other than finite numbers of 0 or more in one row: take them from an SVD")
    total = singular_values.sum()
    if total == 0:
        return 0.0
    shares = singular_values[singular_values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))
