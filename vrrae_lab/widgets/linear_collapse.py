r"""The threshold below which a linear VRRAE loses a coefficient, under the finger."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vrrae_lab import figures
from vrrae_lab.checks import as_numbers
from vrrae_lab.widgets.raster import Axis, Sheet
from vrrae_lab.widgets.slider_picture import SliderPicture, View, float_slider

WIDTH, HEIGHT = 560, 220
DECADES = 1.5  # of β around the thresholds


def linear_collapse(eigenvalues: Sequence[float] | Float[np.ndarray, " count"]) -> SliderPicture:
    r"""A slider for β: what is left of each coefficient of a linear VRRAE at its optimum.

    With our loss, coefficient j has $s_j^2 = \beta / (2 \lambda_j^2)$ and $\sigma_j^2 / N = 1 - s_j^2$, and where that
    is not positive $\sigma_j = 0$ and $s_j = 1$ (claim 7; see `vrrae_lab.derivations`).

    Args:
        eigenvalues: $\lambda_j^2$ of the covariance of the data, all above 0.

    Raises:
        ValueError: if there are none, or one is not above 0.
    """
    squares = as_numbers("eigenvalues", eigenvalues)
    if squares.ndim != 1 or not len(squares) or not (squares > 0).all() or not np.isfinite(squares).all():
        raise ValueError(f"eigenvalues = {eigenvalues}: give one or more, each finite and above 0")
    thresholds = 2 * squares
    across = Axis(0.3, len(squares) + 0.7, "coefficient")

    def render(exponent: float) -> View:
        beta = 10.0**exponent
        noise = np.minimum(beta / thresholds, 1)
        left = noise < 1
        titles = ["sigma^2 / N: what it says", "s^2: its noise"]
        sheet = Sheet(WIDTH, HEIGHT, titles, [(across, Axis(0, 1.05)), (across, Axis(0, 1.05))])
        for panel, heights, colour in zip(sheet.panels, (1 - noise, noise), figures.PALETTE[:2], strict=True):
            panel.bars(heights, left, colour)
        gone = ", ".join(str(j + 1) for j in np.flatnonzero(~left)) or "none"
        following = thresholds[left].min() if left.any() else None
        next_one = "" if following is None else f"; the next one goes at β = {following:.3g}"
        return View(sheet.png(), f"β = {beta:.3g}; collapsed: {gone}{next_one}")

    least, most = np.log10(thresholds.min()) - DECADES, np.log10(thresholds.max()) + DECADES / 3
    slider = float_slider("log10 of β", round(least, 2), round(most, 2), value=round(least, 2), step=0.02)
    return SliderPicture(render, [slider], width=WIDTH, height=HEIGHT)
