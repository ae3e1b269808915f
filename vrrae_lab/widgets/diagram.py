"""What lies between encoder and decoder: a diagram through which a picture of the data goes (VRRAE paper, Fig. 1)."""

from collections.abc import Mapping

import ipywidgets
import jax
import jax.numpy as jnp
import numpy as np

from vrrae_lab import figures
from vrrae_lab.bottlenecks import LowRank, VariationalLowRank
from vrrae_lab.checks import check_kind
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.figures.diagram import PICTURE, size
from vrrae_lab.gaussian import DiagonalGaussian
from vrrae_lab.models import Autoencoder, as_floats, check_frozen
from vrrae_lab.widgets.encoded import encoded
from vrrae_lab.widgets.slider_picture import SliderPicture, View, int_slider

MOST_STAGES = 8
MOST_NUMBERS = 5  # in one box
DRAWS = 100


def diagram(models: Mapping[str, Autoencoder], data: Dataset) -> SliderPicture:
    """Choose a model, a picture and a draw: every box of the diagram shows what it is there.

    What is sampled has a dashed border. Of many coefficients the first ones of largest spread are shown, numbered as in
    the model.

    Args:
        models: frozen models by name, of the same images.
        data: the images to choose from, which also decide the order of the coefficients.

    Raises:
        ValueError: if there are no models, one is not frozen or has diverged, or the images do not fit.
    """
    check_kind("models", models, Mapping, "give models by name")
    if not models:
        raise ValueError("there are no models: give one or more by name")
    for name, model in models.items():
        check_frozen(model, name)
    order = {name: encoded(model, data).order for name, model in models.items()}
    limits, outputs = data.value_range, {name: _outputs(model) for name, model in models.items()}
    captions = {name: _in_words(model) for name, model in models.items()}

    def picture(x: np.ndarray) -> bytes:
        return figures.png(figures.to_pixels(np.asarray(x), limits)[0], max(1, PICTURE // data.shape[0]))

    def render(name: str, number: int, draw: int) -> View:
        x = np.asarray(as_floats(jnp.asarray(data.x[number - 1 : number])))
        middle, z = _middle(models[name], outputs[name], x, np.sort(order[name][:MOST_NUMBERS]), jax.random.key(draw))
        encoder = figures.Stage("encoder", [f"{x.size} pixels", "to", f"{outputs[name]} numbers"], "network")
        stages = [
            figures.Stage("image x", kind="image", picture=picture(x)),
            encoder,
            *middle,
            figures.Stage("decoder", ["draws", "it again"], "network"),
            figures.Stage("image x̂", kind="image", picture=picture(np.asarray(models[name].decode(z)))),
        ]
        words = f"{name}: {', '.join(stage.title for stage in stages)}"
        return View(figures.flow(stages, description=words), captions[name])

    chosen = ipywidgets.ToggleButtons(options=list(models), description="model", style={"button_width": "90px"})
    controls = [chosen, int_slider("picture", 1, len(data), value=1), int_slider("draw", 0, DRAWS, value=0)]
    width, height = size(MOST_STAGES)
    return SliderPicture(render, controls, width=width, height=height, format="svg+xml")


def _outputs(model: Autoencoder) -> int:
    return int(jax.eval_shape(model.encoder, jax.ShapeDtypeStruct((1, *model.shape), np.float32)).shape[1])


def _middle(
    model: Autoencoder, num_outputs: int, x: np.ndarray, shown: np.ndarray, key: jax.Array
) -> tuple[list[figures.Stage], np.ndarray]:
    """The boxes between encoder and decoder, and what the decoder is given, in coefficients."""
    posterior = model.encode(x)
    mean = np.asarray(posterior.mean)[0]
    stages = []
    if isinstance(model.bottleneck, LowRank | VariationalLowRank):
        stages.append(figures.Stage("latent y", [f"{num_outputs} numbers", "", "one of N rows"]))
        lines = ["y ≈ U α", "", f"U: {num_outputs} × {len(mean)}", "of all images"]
        stages.append(figures.Stage("SVD", lines, "decomposition"))
    rest = [f"… {len(mean)} in all"] if len(mean) > len(shown) else []
    if not isinstance(posterior, DiagonalGaussian):
        stages.append(figures.Stage("numbers α", [f"{j + 1}:  {mean[j]:+.2f}" for j in shown] + rest))
        return stages, mean[None]
    width = np.asarray(posterior.standard_deviation)[0]
    z = np.asarray(posterior.sample(key=key))[0]
    stages.append(figures.Stage("α ± s", [f"{j + 1}:  {mean[j]:+.2f} ± {width[j]:.2f}" for j in shown] + rest))
    stages.append(figures.Stage("sample z", [f"{j + 1}:  {z[j]:+.2f}" for j in shown] + rest, "sampled"))
    return stages, z[None]


def _in_words(model: Autoencoder) -> str:
    svd = isinstance(model.bottleneck, LowRank | VariationalLowRank)
    random = isinstance(model.encode(np.zeros((1, *model.shape), np.float32)), DiagonalGaussian)
    first = "The SVD of all latents cuts them to few coefficients" if svd else "The encoder gives few numbers by itself"
    second = "each is drawn around its α with its own s" if random else "nothing is drawn, so “draw” changes nothing"
    return f"{first}; {second}."
