"""What the KL divergence of a posterior to the prior pays for."""

from collections.abc import Sequence

import traitlets

from vrrae_lab.checks import as_numbers, check_number, check_positive
from vrrae_lab.widgets.card import Card

BATCH = (0.9, -0.6, 1.4, -1.1, 0.3, -0.2, 0.7, -1.4)
MOST_MEANS = 16
REACH = 3.0
LEAST, MOST = 0.05, 2.5  # of the standard deviation


class KL(Card):
    r"""What `kl` returns.

    Attributes:
        mean: $\mu$ of the posterior.
        standard_deviation: $s$ of the posterior.
        means: $\mu_b$ of one coefficient for the images of a batch.
    """

    mean = traitlets.Float().tag(sync=True)
    standard_deviation = traitlets.Float().tag(sync=True)
    means = traitlets.List(traitlets.Float()).tag(sync=True)

    def __init__(self, mean: float, standard_deviation: float, means: Sequence[float]) -> None:
        """Made by `kl`."""
        super().__init__(
            "kl", "KL of a Gaussian", mean=mean, standard_deviation=standard_deviation, means=[float(m) for m in means]
        )


def kl(mean: float = 1.1, standard_deviation: float = 0.4, *, means: Sequence[float] = BATCH) -> KL:
    r"""A posterior $\mathcal{N}(\mu, s^2)$ to be dragged against the prior $\mathcal{N}(0, 1)$.

    The divergence $\tfrac12(\mu^2 + s^2 - 1 - \log s^2)$ is shown as the area under its integrand, and split into what
    the mean costs and what the width costs (VRRAE, Eq. 2). Beside it the means of one coefficient over a batch, whose
    squares add up to the square of its singular value (VRRAE, Eq. 7).

    Args:
        mean: where the posterior starts, −3 to 3.
        standard_deviation: how wide it is at first, .05 to 2.5.
        means: of one coefficient, for up to 16 images of a batch; each from −3 to 3.

    Raises:
        ValueError: if a number is out of these limits.

    Example:
        >>> widget = vl.widgets.kl(mean=0, standard_deviation=1)  # says nothing, and costs nothing
    """
    check_number("mean", mean)
    check_positive("standard_deviation", standard_deviation)
    batch = as_numbers("means", means)
    if not -REACH <= mean <= REACH:
        raise ValueError(f"mean = {mean}: use −{REACH:g} to {REACH:g}")
    if not LEAST <= standard_deviation <= MOST:
        raise ValueError(f"standard_deviation = {standard_deviation}: use {LEAST} to {MOST}")
    if batch.ndim != 1 or not 1 <= len(batch) <= MOST_MEANS or not (abs(batch) <= REACH).all():
        raise ValueError(f"means = {means}: give 1 to {MOST_MEANS} numbers from −{REACH:g} to {REACH:g}")
    return KL(float(mean), float(standard_deviation), batch.tolist())
