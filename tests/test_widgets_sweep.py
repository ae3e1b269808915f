"""The slider over models at the level of traits."""

import io

import jax
import numpy as np
import pytest
from PIL import Image
from support import linear_nets

import vrrae_lab as vl


@pytest.fixture(scope="module")
def bumps():
    return vl.data.bumps(16, image_size=16)


@pytest.fixture(scope="module")
def models(bumps):
    with linear_nets():
        vrrae, ae = (
            vl.vrrae(bumps.shape, latent_size=6, rank=3, key=jax.random.key(0)),
            vl.ae(bumps.shape, latent_size=2, key=jax.random.key(1)),
        )
    return {"β = 0": vl.freeze_basis(vrrae, bumps.x), "none": ae}


def test_each_place_of_the_slider_shows_its_model(models, bumps):
    widget = vl.widgets.sweep(models, bumps, name="β", num_images=4)
    limits = float(bumps.x.min()), float(bumps.x.max())
    shown = [0, 5, 10, 15]
    for setting, model in models.items():
        widget.sliders[0].value = setting
        x_hat = np.asarray(model.reconstruct(bumps.x))
        pixels = vl.figures.to_pixels(np.concatenate([bumps.x[shown], x_hat[shown]]), limits)
        sheet = np.asarray(Image.open(io.BytesIO(widget.image.value)))
        magnify = sheet.shape[1] // (4 * 17 - 1)
        expected = vl.figures.tile(pixels, 4)
        assert np.abs(sheet[::magnify, ::magnify].astype(int) - expected).max() <= 2
        assert f"error {vl.metrics.relative_error(bumps.x, x_hat):.1f} %" in widget.caption.value
        squares = (np.asarray(model.encode(bumps.x).mean) ** 2).mean(axis=0)
        assert ", ".join(f"{value:.2f}" for value in squares) in widget.caption.value
    assert "variances" not in widget.caption.value
    widget.reset()
    assert widget.sliders[0].value == "β = 0" and "mean of variances" in widget.caption.value


def test_of_many_coefficients_the_caption_names_the_largest(bumps):
    with linear_nets():
        model = vl.long_ae(bumps.shape, latent_size=12, key=jax.random.key(0))
    caption = vl.widgets.sweep({"long": model}, bumps, name="model").caption.value
    squares = np.sort((np.asarray(model.encode(bumps.x).mean) ** 2).mean(axis=0))[::-1]
    assert ", ".join(f"{value:.2f}" for value in squares[:8]) + " (the largest 8 of 12)" in caption


def test_bad_input_is_refused_with_a_remedy(models, bumps):
    with pytest.raises(ValueError, match="no models"):
        vl.widgets.sweep({}, bumps, name="β")
    with pytest.raises(ValueError, match="num_images = 17"):
        vl.widgets.sweep(models, bumps, name="β", num_images=17)
    with linear_nets():
        loose = vl.vrrae(bumps.shape, latent_size=6, rank=3, key=jax.random.key(0))
    with pytest.raises(ValueError, match="fresh takes its basis from each batch"):
        vl.widgets.sweep({**models, "fresh": loose}, bumps, name="β")
