"""Sliders over the coefficients of a trained model, with the decoded image beside them."""

from collections.abc import Callable

import jax
import numpy as np

from vrrae_lab import figures
from vrrae_lab.checks import check_at_least
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder, in_batches, is_frozen
from vrrae_lab.widgets.slider_picture import PICTURE_SIZE, SliderPicture, View, float_slider

SLIDER_LIMIT = 3.0


class Explorer(SliderPicture):
    """What `explore` returns: sliders in units of each coefficient's own spread, and the decoded image.

    Attributes:
        noise: the slider, also the last of `sliders`, of how much of the posterior's standard deviation is added; None
            for a deterministic model.
    """

    def __init__(self, render: Callable[..., View], order: list[int], has_noise: bool) -> None:
        """Made by `explore`.

        Args:
            render: position of each slider (in spreads; last the amount of noise, if any) to what is shown.
            order: the coefficients that get a slider.
            has_noise: whether to offer the slider of noise.
        """
        sliders = [float_slider(f"coefficient {j + 1}", -SLIDER_LIMIT, SLIDER_LIMIT) for j in order]
        self.noise = float_slider("noise", 0.0, 2.0) if has_noise else None
        super().__init__(render, [*sliders, *([self.noise] if self.noise is not None else [])])


def explore(model: Autoencoder, data: Dataset, *, num_sliders: int = 8) -> Explorer:
    """Sliders over a model's coefficients.

    The middle of each slider is the mean of that coefficient over the data, and one unit is its standard deviation.
    The slider of noise adds so much of the posterior's standard deviation, averaged over the data, times one draw that
    stays the same while the sliders move.

    Args:
        model: a frozen model.
        data: the training data, for the means, the spreads and the range of colours.
        num_sliders: how many coefficients get a slider: those of largest spread, in their own order.

    Raises:
        ValueError: if the model is not frozen, the images do not fit it, or `num_sliders` is below 1.
    """
    if not is_frozen(model):
        raise ValueError(
            "this model takes its basis from each batch, so its coefficients cannot be decoded alone: "
            "call model = freeze_basis(model, data.x) first"
        )
    check_at_least(1, "num_sliders", num_sliders)
    posterior = in_batches(model.encode, data.x)
    middle, spread = posterior.mean.mean(axis=0), posterior.mean.std(axis=0)
    order = sorted(int(j) for j in np.argsort(-spread)[:num_sliders])
    has_noise = isinstance(posterior, DiagonalGaussian)
    width = np.asarray(posterior.standard_deviation).mean(axis=0) if has_noise else np.zeros_like(spread)
    draw = np.asarray(jax.random.normal(jax.random.key(0), spread.shape))
    limits = (float(data.x.min()), float(data.x.max()))
    magnify = max(1, PICTURE_SIZE // data.shape[0])

    def render(*values: float) -> View:
        position = np.zeros(len(spread), np.float32)
        position[order] = values[: len(order)]
        noise = values[-1] if has_noise else 0.0
        z = middle + position * spread + noise * width * draw
        image = np.asarray(model.decode(z[None].astype(middle.dtype)))
        return View(figures.png(figures.to_pixels(image, limits)[0], magnify))

    return Explorer(render, order, has_noise)
