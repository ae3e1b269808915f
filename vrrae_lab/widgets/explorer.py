"""Sliders over the coefficients of a trained model, with the decoded image beside them."""

from collections.abc import Callable

import ipywidgets
import jax
import numpy as np
from jaxtyping import Float

from vrrae_lab import figures
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder, in_batches, is_frozen

PICTURE_SIZE = 320
SLIDER_LIMIT = 3.0


class Explorer(ipywidgets.HBox):
    """What `explore` returns: sliders in units of each coefficient's own spread, and the decoded image.

    Attributes:
        sliders: one per coefficient shown.
        noise: how much of the posterior's standard deviation is added, or None for a deterministic model.
        image: the decoded image as PNG.
        message: errors are shown here, as a notebook would swallow them.
    """

    def __init__(
        self,
        render: Callable[[Float[np.ndarray, " rank"], float], bytes],
        order: list[int],
        rank: int,
        has_noise: bool,
    ) -> None:
        """Made by `explore`.

        Args:
            render: position of each coefficient (in spreads) and amount of noise to a PNG.
            order: the coefficients that get a slider.
            rank: how many coefficients there are.
            has_noise: whether to offer the slider of noise.
        """
        self._render, self._order, self._rank = render, order, rank
        self.sliders = [_slider(f"coefficient {j + 1}", -SLIDER_LIMIT, SLIDER_LIMIT) for j in order]
        self.noise = _slider("noise", 0.0, 2.0) if has_noise else None
        self.image = ipywidgets.Image(
            format="png", width=PICTURE_SIZE, height=PICTURE_SIZE, layout={"min_width": f"{PICTURE_SIZE}px"}
        )
        self.message = ipywidgets.HTML()
        reset = ipywidgets.Button(description="reset", tooltip="all sliders to the middle")
        reset.on_click(lambda _: self.reset())
        for slider in self._all_sliders():
            slider.observe(lambda _: self._draw(), names="value")
        controls = ipywidgets.VBox([*self._all_sliders(), reset, self.message])
        super().__init__([self.image, controls])
        self._draw()

    def reset(self) -> None:
        """Put every slider back to its middle (noise to none)."""
        for slider in self._all_sliders():
            slider.value = 0.0

    def _all_sliders(self) -> list[ipywidgets.FloatSlider]:
        return [*self.sliders, *([self.noise] if self.noise is not None else [])]

    def _draw(self) -> None:
        position = np.zeros(self._rank, np.float32)
        position[self._order] = [slider.value for slider in self.sliders]
        try:
            self.image.value = self._render(position, self.noise.value if self.noise is not None else 0.0)
            self.message.value = ""
        except Exception as error:  # whatever it is, the person at the slider must see it
            self.message.value = f"<b style='color:#D55E00'>{type(error).__name__}: {error}</b>"


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
    if num_sliders < 1:
        raise ValueError(f"num_sliders = {num_sliders}: use 1 or more")
    posterior = in_batches(model.encode, data.x)
    middle, spread = posterior.mean.mean(axis=0), posterior.mean.std(axis=0)
    order = sorted(int(j) for j in np.argsort(-spread)[:num_sliders])
    has_noise = isinstance(posterior, DiagonalGaussian)
    width = np.asarray(posterior.standard_deviation).mean(axis=0) if has_noise else np.zeros_like(spread)
    draw = np.asarray(jax.random.normal(jax.random.key(0), spread.shape))
    limits = (float(data.x.min()), float(data.x.max()))
    magnify = max(1, PICTURE_SIZE // data.shape[0])

    def render(position: Float[np.ndarray, " rank"], noise: float) -> bytes:
        z = middle + position * spread + noise * width * draw
        image = np.asarray(model.decode(z[None].astype(middle.dtype)))
        return figures.png(figures.to_pixels(image, limits)[0], magnify)

    return Explorer(render, order, len(spread), has_noise)


def _slider(name: str, least: float, most: float) -> ipywidgets.FloatSlider:
    return ipywidgets.FloatSlider(
        value=0.0,
        min=least,
        max=most,
        step=0.05,
        description=name,
        style={"description_width": "95px"},
        layout={"width": "400px"},
        continuous_update=True,
        readout_format=".2f",
    )
