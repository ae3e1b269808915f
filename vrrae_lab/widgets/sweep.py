"""One slider over models that differ in a setting, such as β: what each makes of the same images."""

from collections.abc import Mapping

import ipywidgets
import numpy as np

from vrrae_lab import figures, metrics
from vrrae_lab.checks import check_kind, check_whole
from vrrae_lab.data.dataset import Dataset, check_data
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder, check_frozen, in_batches
from vrrae_lab.widgets.slider_picture import SliderPicture, View, slider_style

WIDTH = 560
MOST_VALUES = 8  # coefficients named in the caption


def sweep(models: Mapping[str, Autoencoder], data: Dataset, *, name: str, num_images: int = 8) -> SliderPicture:
    """A slider that goes from model to model: images, their reconstructions, and the scale of the coefficients.

    Args:
        models: what the slider shows (β = 1, say) to a frozen model.
        data: the images all of them are tried on.
        name: of the setting in which the models differ.
        num_images: how many images are shown, evenly spread over the set.

    Raises:
        ValueError: if there are no models, one is not frozen or takes other images, or `num_images` is not from 1 to
            the number of images.
    """
    check_kind("models", models, Mapping, "give models by name")
    check_kind("name", name, str, "name what was swept")
    check_data(data)
    check_whole("num_images", num_images)
    if not models:
        raise ValueError("there are no models: give one or more by name")
    if not 1 <= num_images <= len(data):
        raise ValueError(f"num_images = {num_images}, but {data.name} has {len(data)} images: use 1 to {len(data)}")
    for setting, model in models.items():
        check_frozen(model, setting)
    shown = np.linspace(0, len(data) - 1, num_images).astype(int)
    views = {setting: _view(model, data, shown) for setting, model in models.items()}  # a slider should not wait
    slider = ipywidgets.SelectionSlider(options=list(models), description=name, **slider_style())
    height = round(WIDTH * 2 * data.shape[0] / (num_images * data.shape[1]))
    return SliderPicture(views.__getitem__, [slider], width=WIDTH, height=height)


def _view(model: Autoencoder, data: Dataset, shown: np.ndarray) -> View:
    posterior = in_batches(model.encode, data.x)
    x_hat = in_batches(model.decode, posterior.mean)
    limits = data.value_range
    sheet = figures.tile(figures.to_pixels(np.concatenate([data.x[shown], x_hat[shown]]), limits), len(shown))
    squares = (np.asarray(posterior.mean, float) ** 2).mean(axis=0)
    lines = [f"error {metrics.relative_error(data.x, x_hat):.1f} %", f"mean of squared coefficients: {_list(squares)}"]
    if isinstance(posterior, DiagonalGaussian):
        lines.append(f"mean of variances: {_list(np.exp(np.asarray(posterior.log_variance, float)).mean(axis=0))}")
    return View(figures.png(sheet, max(1, WIDTH // sheet.shape[1])), "<br>".join(lines))


def _list(values: np.ndarray) -> str:
    shown = values if len(values) <= MOST_VALUES else np.sort(values)[: -MOST_VALUES - 1 : -1]
    text = ", ".join(f"{value:.2f}" for value in shown)
    return text if len(shown) == len(values) else f"{text} (the largest {len(shown)} of {len(values)})"
