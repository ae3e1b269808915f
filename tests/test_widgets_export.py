"""The page that is written: one file with all that the lab needs."""

import base64
import json
import re

import jax
import numpy as np
import pytest
from support import linear_nets

import vrrae_lab as vl
from vrrae_lab.widgets.card import bundle


@pytest.fixture(scope="module")
def digits():
    return vl.data.digits("train").take(40)


@pytest.fixture(scope="module")
def models():
    return tuple(vl.checkpoint.load(vl.checkpoint.shipped(f"digits_{name}"))[0] for name in ("vae", "vrrae"))


def state(text):
    return json.loads(re.search(r'class="vrrae-lab-state">(.*?)</script>', text)[1])


def test_the_page_has_the_models_in_half_precision_and_asks_for_nothing(models, digits, tmp_path):
    path = vl.widgets.export_html(models, digits, tmp_path / "page.html", title="Two < one")
    text = path.read_text()
    assert "<title>Two &lt; one</title>" in text and 'name="viewport"' in text
    assert not re.search(r"""(src|href)=["']|import\s*\(|@import|fetch\(""", text)
    assert text.count("</script") == 2  # none within the bundle ends it
    parts = state(text)["_parts"]
    assert [part["name"] for part in parts] == ["VAE", "VRRAE"]
    for part, model in zip(parts, models, strict=True):
        assert {layer["weight"]["dtype"] for layer in part["spec"]["decoder"] if "weight" in layer} == {"float16"}
        means = np.frombuffer(base64.b64decode(part["means"]["base64"]), "<f4").reshape(40, -1)
        np.testing.assert_allclose(means, model.encode(digits.x).mean, atol=1e-5)
    assert len(state(text)["_samples"]) == 2  # no kernel will fit them later
    assert path.stat().st_size < 3_000_000


def test_a_widget_is_written_as_it_is_now(tmp_path):
    widget = vl.widgets.kl(mean=0.5)
    widget.mean = -1.25
    text = vl.widgets.export_html(widget, None, tmp_path / "kl.html").read_text()
    assert state(text)["mean"] == -1.25 and state(text)["_widget"] == "kl"
    assert bundle().replace("</script", "<\\/script") in text


def test_what_the_page_cannot_run_is_refused_by_name(digits, tmp_path):
    with linear_nets():
        model = vl.ae(digits.shape, latent_size=2, key=jax.random.key(0))
    with pytest.raises(TypeError, match="AE cannot be written to a page.*LinearEncoder"):
        vl.widgets.export_html(model, digits, tmp_path / "page.html")
    with pytest.raises(ValueError, match="widget has its own"):
        vl.widgets.export_html(vl.widgets.kl(), digits, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
