"""The diagram at the level of traits: every box shows what the model makes of that picture."""

import re
import xml.etree.ElementTree as ElementTree

import jax
import numpy as np
import pytest
from support import linear_nets

import vrrae_lab as vl
from vrrae_lab import figures

pytestmark = pytest.mark.usefixtures("quick_compilation")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def digits():
    return vl.data.digits(n=40)


@pytest.fixture(scope="module")
def models(digits):
    with linear_nets():
        made = {
            "VAE": vl.vae(digits.shape, latent_size=3, key=jax.random.key(0)),
            "RRAE": vl.rrae(digits.shape, latent_size=12, rank=3, key=jax.random.key(1)),
            "VRRAE": vl.vrrae(digits.shape, latent_size=12, rank=7, key=jax.random.key(2)),
        }
    return {name: vl.freeze_basis(model, digits.x) for name, model in made.items()}


@pytest.fixture
def widget(models, digits):
    return vl.widgets.diagram(models, digits)


def choose(widget, **values):
    for slider, name in zip(widget.sliders, ("model", "picture", "draw"), strict=True):
        if name in values:
            slider.value = values[name]
    assert widget.message.value == ""
    return ElementTree.fromstring(bytes(widget.image.value))


def titles(svg):
    return [text.text for text in svg.iter(f"{SVG}text") if text.get("font-weight") == "bold"]


def numbers(widget):
    """The numbered lines of the boxes, in their order."""
    lines = re.findall(r">(\d+): +([-+\d.]+)(?: ± ([\d.]+))?<", bytes(widget.image.value).decode())
    return [(int(j), float(mean), float(width) if width else None) for j, mean, width in lines]


def test_each_model_has_its_boxes_and_only_what_is_sampled_is_dashed(widget):
    assert titles(choose(widget, model="VAE")) == ["image x", "encoder", "α ± s", "sample z", "decoder", "image x̂"]
    svg = choose(widget, model="RRAE")
    assert titles(svg) == ["image x", "encoder", "latent y", "SVD", "numbers α", "decoder", "image x̂"]
    assert {box.get("stroke-dasharray") for box in svg.iter(f"{SVG}rect")} == {"none"}
    svg = choose(widget, model="VRRAE")
    assert titles(svg)[2:6] == ["latent y", "SVD", "α ± s", "sample z"]
    dashed = [box.get("stroke-dasharray") != "none" for box in svg.iter(f"{SVG}rect")]
    assert dashed == [title == "sample z" for title in titles(svg)]
    assert "12 × 7" in bytes(widget.image.value).decode() and "VRRAE" in svg.find(f"{SVG}title").text


def test_numbers_are_those_of_the_posterior_and_of_the_draw(widget, models, digits):
    choose(widget, model="VRRAE", picture=5, draw=7)
    posterior = models["VRRAE"].encode(digits.x[4:5])
    z = np.asarray(posterior.sample(key=jax.random.key(7)))[0]
    means, widths = np.asarray(posterior.mean)[0], np.asarray(posterior.standard_deviation)[0]
    spread = np.asarray(models["VRRAE"].encode(digits.x).mean).std(axis=0)
    shown = sorted(np.argsort(-spread)[:5].tolist())
    expected = [(j + 1, means[j], widths[j]) for j in shown] + [(j + 1, z[j], None) for j in shown]
    for (number, value, width), (wanted, mean, deviation) in zip(numbers(widget), expected, strict=True):
        assert number == wanted and value == pytest.approx(mean, abs=0.006)
        assert (width is None) == (deviation is None) and (
            width is None or width == pytest.approx(deviation, abs=0.006)
        )


def test_the_last_picture_is_decoded_from_the_draw(widget, models, digits):
    def pictures():
        return [image.get("href") for image in ElementTree.fromstring(bytes(widget.image.value)).iter(f"{SVG}image")]

    choose(widget, model="VRRAE", picture=2, draw=1)
    first = pictures()
    choose(widget, draw=2)
    assert pictures()[0] == first[0] and pictures()[1] != first[1]
    choose(widget, picture=3)
    assert pictures()[0] != first[0]
    choose(widget, model="RRAE", draw=1)
    before = pictures()
    choose(widget, draw=2)
    assert pictures() == before  # nothing is drawn, as the words say
    assert "nothing is drawn" in widget.caption.value


def test_bad_input_is_refused_with_a_remedy(models, digits):
    with pytest.raises(ValueError, match="no models"):
        vl.widgets.diagram({}, digits)
    with linear_nets():
        loose = vl.vrrae(digits.shape, latent_size=6, rank=2, key=jax.random.key(0))
    with pytest.raises(ValueError, match="mine takes its basis from each batch"):
        vl.widgets.diagram({"VAE": models["VAE"], "mine": loose}, digits)
    with pytest.raises(ValueError, match="no stages"):
        figures.flow([], description="nothing")


def test_text_is_escaped_and_boxes_lie_side_by_side():
    svg = ElementTree.fromstring(
        figures.flow([figures.Stage("a < b", ["x & y"]), figures.Stage("c")], description="<>")
    )
    assert titles(svg) == ["a < b", "c"] and svg.find(f"{SVG}title").text == "<>"
    left, right = (float(box.get("x")) for box in svg.iter(f"{SVG}rect"))
    width = float(next(svg.iter(f"{SVG}rect")).get("width"))
    assert left + width < right and right + width < float(svg.get("width"))
