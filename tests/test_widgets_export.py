"""The exported page: it needs nothing else, and its pictures are what the model decodes where they stand."""

import base64
import io
import itertools
import json
import re
from dataclasses import replace

import jax
import numpy as np
import pytest
from PIL import Image
from support import linear_nets

import vrrae_lab as vl

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def digits():
    return vl.data.digits(n=60)


@pytest.fixture(scope="module")
def model(digits):
    with linear_nets():
        return vl.freeze_basis(vl.vrrae(digits.shape, latent_size=12, rank=4, key=jax.random.key(0)), digits.x)


def exported(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)[1])


def test_every_place_of_a_plane_is_what_the_model_decodes_there(model, digits, tmp_path):
    lab = exported(vl.widgets.export_html(model, digits, tmp_path / "page.html", side=3))
    z = np.asarray(model.encode(digits.x).mean)
    middle, spread = z.mean(axis=0), z.std(axis=0)
    order = np.sort(np.argsort(-spread)[:3])
    assert lab["names"] == [f"coefficient {j + 1}" for j in order]
    np.testing.assert_allclose(lab["points"], ((z - middle) / spread)[:, order], atol=6e-4)
    assert [tuple(plane["pair"]) for plane in lab["planes"]] == list(itertools.combinations(range(3), 2))
    limits = float(digits.x.min()), float(digits.x.max())
    for plane in lab["planes"]:
        sprite = np.asarray(Image.open(io.BytesIO(base64.b64decode(plane["sprite"]))))
        assert sprite.shape == (24, 24, 3)
        for row, column in itertools.product(range(3), repeat=2):
            place = middle.copy()
            for axis, tick in zip(plane["pair"], (column, row), strict=True):
                place[order[axis]] += spread[order[axis]] * (tick - 1) * lab["limit"]
            wanted = vl.figures.to_pixels(np.asarray(model.decode(place[None])), limits)[0].astype(int)
            found = sprite[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            assert np.abs(found - wanted).max() <= 2


def test_the_page_needs_no_network_and_says_what_it_shows(model, digits, tmp_path):
    page = vl.widgets.export_html(model, digits, tmp_path / "page.html", title="<b>Mine</b> & $yours", side=2)
    text = page.read_text()
    assert "&lt;b&gt;Mine&lt;/b&gt; &amp; $yours" in text and "<b>Mine" not in text
    assert not re.search(r"https?://|src=\"(?!data:)|@import", text)
    assert "60 of 60 images" in text and digits.name in text
    assert len(set(exported(page)["colours"])) == 10  # one for each class


def test_points_have_the_colours_of_the_latent_plane_and_the_page_says_what_they_mean(model, digits, tmp_path):
    def page(labels):
        return vl.widgets.export_html(model, replace(digits, labels=labels), tmp_path / "page.html", side=2)

    odd = digits.labels % 2
    two = page(odd)
    assert exported(two)["colours"] == [vl.figures.PALETTE[label] for label in odd]
    assert "60 of 60 images; label <span style='color:#0072B2'>" in two.read_text()
    words = page(np.array(["n" + "o" * label for label in digits.labels]))
    assert len(set(exported(words)["colours"])) == 10 and "label from n (dark blue) to nooooooooo" in words.read_text()
    pairs = page(np.stack([digits.labels] * 2, axis=1))
    assert set(exported(pairs)["colours"]) == {vl.figures.PALETTE[0]} and "one colour" in pairs.read_text()


def test_bad_input_is_refused_before_anything_is_written(model, digits, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    with linear_nets():
        loose = vl.vrrae(digits.shape, latent_size=6, rank=2, key=jax.random.key(0))
        narrow = vl.ae(digits.shape, latent_size=1, key=jax.random.key(0))
    with pytest.raises(ValueError, match="freeze_basis"):
        vl.widgets.export_html(loose, digits, path)
    with pytest.raises(ValueError, match="1 coefficient: a plane needs 2"):
        vl.widgets.export_html(narrow, digits, path)
    holed = replace(digits, x=np.where(np.arange(60)[:, None, None, None] == 7, np.float32(np.nan), digits.x))
    with pytest.raises(ValueError, match="NaN or infinity: the model has diverged, or the images"):
        vl.widgets.export_html(model, holed, path)
    with pytest.raises(ValueError, match="side = 1"):
        vl.widgets.export_html(model, digits, path, side=1)
    with pytest.raises(ValueError, match="num_coefficients = 1"):
        vl.widgets.export_html(model, digits, path, num_coefficients=1)
    monkeypatch.setattr("vrrae_lab.widgets.export.MOST_BYTES", 1000)
    with pytest.raises(ValueError, match="use a smaller side than 2, or fewer than 3 coefficients"):
        vl.widgets.export_html(model, digits, path, side=2)
    assert not path.exists()


def test_pages_of_the_shipped_models_are_small(tmp_path):
    for name, data in (("digits_vrrae", vl.data.digits()), ("bumps_vrrae", vl.data.bumps(image_size=32))):
        model, _ = vl.checkpoint.load(vl.checkpoint.shipped(name))
        assert vl.widgets.export_html(model, data, tmp_path / "page.html").stat().st_size < 1_000_000
