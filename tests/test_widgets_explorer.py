"""Pages, buttons, ranks, images and two models in the explorer, at the level of traits."""

import base64
import datetime
import html
import io
import re
import sys
from dataclasses import replace

import equinox as eqx
import jax
import numpy as np
import pytest
from PIL import Image
from support import shown

import vrrae_lab as vl
from vrrae_lab.widgets import image_source
from vrrae_lab.widgets.picture import PngPicture

SIZE, RANK, PAGE = 16, 5, 2


@pytest.fixture(scope="module")
def bumps():
    return vl.data.bumps(25, image_size=SIZE)


def lively(model, seed):
    """The model with a decoder that answers to every coefficient, unlike an untrained one."""
    patterns = jax.random.normal(jax.random.key(seed), (6, SIZE * SIZE))
    return eqx.tree_at(
        lambda m: m.decoder, model, lambda latents: 2 + (50 * latents @ patterns).reshape(-1, SIZE, SIZE, 1)
    )


@pytest.fixture(scope="module")
def model(bumps):
    return lively(vl.freeze_basis(vl.vrrae(bumps.shape, latent_size=6, rank=RANK, key=jax.random.key(0)), bumps.x), 1)


@pytest.fixture(scope="module")
def plain(bumps):
    """A deterministic model of smaller rank."""
    return lively(vl.freeze_basis(vl.rrae(bumps.shape, latent_size=6, rank=3, key=jax.random.key(2)), bumps.x), 3)


@pytest.fixture
def explorer(model, bumps):
    return vl.widgets.explore(model, bumps, num_sliders=PAGE)


def test_the_page_is_not_told_where_it_has_put_a_slider(explorer):
    """That message would come before the picture."""
    for slider in [*explorer.sliders, explorer.rank]:
        assert slider.trait_metadata("value", "echo_update") is False


def test_pictures_are_pngs_where_that_is_asked_for(model, bumps):
    explorer = vl.widgets.explore(model, bumps, fallback=True)
    explorer.source.number.value = 3
    assert isinstance(explorer.image, PngPicture) and isinstance(explorer.panels[0].original, PngPicture)
    assert explorer.source.pad is None
    assert_shows(explorer.image, model.reconstruct(bumps.x[3:4]), bumps)


def assert_shows(image, expected, data):
    limits = float(data.x.min()), float(data.x.max())
    np.testing.assert_allclose(shown(image).astype(int), vl.figures.to_pixels(expected, limits)[0], atol=2)


def file(x, format="PNG"):
    """Bytes of a picture of values from 0 to 1."""
    buffer = io.BytesIO()
    values = np.round(255 * np.asarray(x)).astype(np.uint8)
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).save(buffer, format)
    return buffer.getvalue()


def upload(explorer, content, name="mine.png"):
    """As the browser does it: a dict of files in ipywidgets 7, a tuple of them in 8."""
    widget = explorer.source.upload
    seven = isinstance(widget.value, dict)
    facts = {"name": name, "type": "", "size": len(content), "last_modified": datetime.datetime(2026, 1, 1)}
    entry = {"content": content}
    widget.set_trait("value", {name: entry | {"metadata": facts}} if seven else (facts | entry,))


def descendants(widget):
    found = list(getattr(widget, "children", ()))
    return found + [below for child in found for below in descendants(child)]


def original_shown(explorer):
    return explorer.panels[0].original in descendants(explorer)


def state(explorer):
    return explorer.panels[0].state


# ------------------------------------------------------------------------------------------------- pages and buttons


def test_pages_keep_the_values_that_are_not_shown(explorer, model, bumps):
    panel = explorer.panels[0]
    spread = np.asarray(model.encode(bumps.x).mean).std(axis=0)
    order = [f"coefficient {j + 1}" for j in np.argsort(-spread)]
    seen = []
    panel.sliders[1].value = 1.0
    for page in range(3):
        there = [slider for slider in panel.sliders if slider.layout.display != "none"]
        seen += [slider.description for slider in there]
        assert panel.previous.disabled == (page == 0) and panel.following.disabled == (page == 2)
        panel.following.click()
    assert seen == order
    panel.sliders[0].value = -2.0
    np.testing.assert_array_equal(state(explorer).position, [0, 1, 0, 0, -2])
    panel.previous.click()
    panel.previous.click()
    assert [slider.value for slider in panel.sliders] == [0.0, 1.0]
    np.testing.assert_array_equal(state(explorer).position, [0, 1, 0, 0, -2])


def test_turning_the_page_changes_no_picture(explorer):
    explorer.sliders[0].value = 1.0
    before = explorer.image.value
    explorer.panels[0].following.click()
    assert explorer.image.value == before


def test_a_model_of_few_coefficients_has_no_pages(model, bumps):
    panel = vl.widgets.explore(model, bumps).panels[0]
    assert len(panel.sliders) == RANK
    assert panel.previous not in descendants(panel)


def test_random_draws_are_those_of_the_standard_normal_and_the_same_in_each_explorer(explorer, model, bumps):
    draws = []
    for _ in range(200):
        explorer.random()
        draws.append(state(explorer).position)
    assert abs(np.mean(draws)) < 0.1 and abs(np.std(draws) - 1) < 0.1
    assert abs(np.corrcoef(np.transpose(draws)) - np.eye(RANK)).max() < 0.3
    again = vl.widgets.explore(model, bumps)
    again.random()
    again.random()
    np.testing.assert_array_equal(state(again).position, draws[1])


def test_play_swings_the_coefficient_that_was_moved_last_and_stopping_leaves_it(explorer):
    explorer.panels[0].following.click()
    explorer.sliders[1].value = 0.5
    name = explorer.sliders[1].description
    assert name in explorer._playing.value
    values = []
    for time in range(1, explorer.play.max + 1):
        explorer.play.value = time
        values.append(state(explorer).position[PAGE + 1])
    assert 1.9 < max(values) <= 2 and -2 <= min(values) < -1.9
    explorer.play.value = 20
    there = state(explorer).position.copy()
    explorer.play.value = 0
    np.testing.assert_array_equal(state(explorer).position, there)
    assert np.count_nonzero(there) == 1


def test_undo_goes_back_by_whole_moves(explorer):
    for value in (0.5, 1.0, 1.5):
        explorer.sliders[0].value = value
    explorer.sliders[1].value = -1.0
    explorer.rank.value = 3
    explorer.random()
    expected = [([1.5, -1, 0, 0, 0], 3), ([1.5, -1, 0, 0, 0], 5), ([1.5, 0, 0, 0, 0], 5), ([0] * 5, 5)]
    for position, rank in expected:
        assert not explorer._undo.disabled
        explorer._undo.click()
        np.testing.assert_array_equal(state(explorer).position, position)
        assert state(explorer).rank == explorer.rank.value == rank
        assert explorer.sliders[0].value == position[0]
    assert explorer._undo.disabled
    for value in (1.0, -1.0):  # the same slider after an undo is a new step
        explorer.sliders[0].value = value
        explorer.undo()
        assert explorer.sliders[0].value == 0.0 and explorer._undo.disabled


def test_undo_takes_back_a_reset_and_an_encoded_image(explorer):
    explorer.source.number.value = 3
    caption, picture = explorer.caption.value, explorer.image.value
    explorer.reset()
    assert not original_shown(explorer) and explorer.image.value != picture
    explorer.undo()
    assert original_shown(explorer) and (explorer.caption.value, explorer.image.value) == (caption, picture)


# ----------------------------------------------------------------------------------------------------- rank and bars


def test_the_rank_holds_the_coefficients_of_smaller_spread_at_their_mean(explorer, model, bumps):
    explorer.random()
    explorer.noise.value = 1.0
    position = state(explorer).position
    explorer.rank.value = 2
    assert explorer.caption.value == "rank 2 of 5"
    means = np.asarray(model.encode(bumps.x).mean)
    z, spread = means.mean(axis=0), means.std(axis=0)
    noise = explorer.panels[0].coefficients.noise
    for place, j in enumerate(np.argsort(-spread)[:2]):
        z[j] += position[place] * spread[j] + noise[place]
    assert_shows(explorer.image, model.decode(z[None]), bumps)
    np.testing.assert_array_equal(state(explorer).position, position)
    explorer.panels[0].following.click()
    assert all(slider.disabled for slider in explorer.panels[0].sliders)
    explorer.rank.value = 3
    assert [slider.disabled for slider in explorer.panels[0].sliders] == [False, True]


def heights(bars, title):
    chart = bars[bars.index(title) :].split("</svg>")[0]
    return [float(h) for h in re.findall(r" height='([\d.]+)' fill", chart)]


def test_bars_are_those_of_the_singular_values_and_the_divergences(explorer, model, bumps):
    bars, posterior = explorer.panels[0].bars.value, model.encode(bumps.x)
    means = np.asarray(posterior.mean, float)
    order = np.argsort(-means.std(axis=0))
    singular_values = np.linalg.svd(means, compute_uv=False) / np.sqrt(len(means))
    rms = np.sqrt((means**2).mean(axis=0))
    np.testing.assert_allclose(np.sort(rms)[::-1], singular_values, rtol=1e-3)  # the frozen basis is that of these data
    drawn = np.array(heights(bars, "singular value"))
    np.testing.assert_allclose(drawn[:RANK] / drawn.max(), (rms / rms.max())[order], atol=0.01)
    np.testing.assert_allclose(drawn[RANK:] / drawn.max(), (means.std(axis=0) / rms.max())[order], atol=0.01)
    kl = np.asarray(posterior.kl()).mean(axis=0)[order]
    drawn = np.array(heights(bars, "KL divergence"))
    np.testing.assert_allclose(drawn / drawn.max(), kl / kl.max(), atol=0.01)
    assert f"aria-label='KL divergence in nats, {kl.sum():.3g} in all. coefficient {order[0] + 1}: {kl[0]:.3g};" in bars


def test_bars_follow_the_moving_slider_and_the_rank(explorer, plain, bumps):
    def colours():
        bars = re.findall(r"fill='(#\w+)' opacity='([\d.]+)'", explorer.panels[0].bars.value.split("</svg>")[1])
        return [fill == "#D55E00" for fill, _ in bars], [float(opacity) < 1 for _, opacity in bars]

    explorer.sliders[1].value = 1.0
    explorer.rank.value = 4
    assert colours() == ([False, True, False, False, False], [False, False, False, False, True])
    assert "KL" not in vl.widgets.explore(plain, bumps).panels[0].bars.value


# -------------------------------------------------------------------------------------------------------- an image


def test_an_image_of_the_data_is_encoded_and_its_coefficients_can_be_edited(explorer, model, bumps):
    explorer.source.number.value = 7
    x = bumps.x[7:8]
    assert original_shown(explorer)
    assert_shows(explorer.panels[0].original, x, bumps)
    assert_shows(explorer.image, model.reconstruct(x), bumps)
    error = vl.metrics.relative_error(x, np.asarray(model.reconstruct(x)))
    assert f"error {error:.1f} %" in explorer.caption.value
    means = np.asarray(model.encode(bumps.x).mean)
    order = np.argsort(-means.std(axis=0))
    position = ((means[7] - means.mean(axis=0)) / means.std(axis=0))[order]
    np.testing.assert_allclose([slider.value for slider in explorer.panels[0].sliders], position[:PAGE], atol=0.026)
    np.testing.assert_allclose(state(explorer).position, position, atol=1e-4)
    explorer.sliders[0].value = 0.0
    z = means[7].copy()
    z[order[0]] = means.mean(axis=0)[order[0]]
    assert_shows(explorer.image, model.decode(z[None]), bumps)


def test_the_first_image_can_be_taken_and_taken_again(explorer):
    explorer.source.take.click()
    assert "image 0 of bumps" in explorer.panels[0]._pictures._name.value
    explorer.sliders[0].value = 3.0
    moved = explorer.image.value
    explorer.source.take.click()
    assert explorer.image.value != moved


def test_coefficients_beyond_the_sliders_are_decoded_exactly_until_moved(explorer, model, bumps):
    far = 20 * (np.arange(SIZE * SIZE) % 2).reshape(SIZE, SIZE, 1).astype(np.float32)
    explorer._encode(image_source.Source("far", far))
    position = state(explorer).position
    (beyond,) = np.flatnonzero(abs(position) > 3)[:1]
    coefficients = explorer.panels[0].coefficients
    np.testing.assert_array_equal(coefficients.decode(state(explorer)), np.asarray(model.reconstruct(far[None]))[0])
    for _ in range(beyond // PAGE):
        explorer.panels[0].following.click()
    slider = explorer.panels[0].sliders[beyond % PAGE]
    assert abs(slider.value) == 3 and f"{position[beyond]:.2f}" in explorer.caption.value
    before = explorer.image.value
    explorer.noise.value = 0.5  # another control leaves the position alone
    explorer.noise.value = 0.0
    assert explorer.image.value == before
    slider.value = 2.0
    assert state(explorer).position[beyond] == 2.0


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_an_uploaded_picture_is_made_like_the_data(explorer, bumps, format):
    raw = bumps.x[4] * bumps.scale + bumps.offset
    upload(explorer, file(raw, format))
    error = 0.51 / 255 if format == "PNG" else 0.1  # of rounding, or of the compression
    np.testing.assert_allclose(explorer._now.source.x, bumps.x[4], atol=error / bumps.scale)
    assert explorer.message.value == "" and original_shown(explorer)


def test_the_same_file_can_be_uploaded_again(explorer):
    content = file(np.eye(SIZE)[..., None])
    upload(explorer, content)
    first = explorer.image.value
    explorer.reset()
    assert explorer.image.value != first
    upload(explorer, content)
    assert explorer.image.value == first


@pytest.mark.parametrize("seven", [True, False])
def test_uploads_of_both_generations_of_ipywidgets_are_understood(seven):
    content = memoryview(b"abc")
    value = {"a.png": {"metadata": {}, "content": content}} if seven else ({"name": "a.png", "content": content},)
    assert image_source.uploaded(value) == ("a.png", b"abc")
    assert image_source.uploaded(type(value)()) is None


def test_a_bad_file_is_named_and_changes_nothing(explorer):
    explorer.source.number.value = 2
    explorer.sliders[0].value = 1.0
    before = explorer.image.value, state(explorer), explorer._now
    sound = file(np.random.default_rng(0).random((40, 40, 3)))
    deep = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(deep, "PNG")
    bad = {
        "<notes>.txt": (b"no picture", "neither a PNG nor a JPEG"),
        "cut.png": (sound[: len(sound) // 2], "cannot be read"),
        "empty.png": (b"", "neither a PNG nor a JPEG"),
        "deep.png": (deep.getvalue(), "8 bits per channel"),
    }
    for name, (content, words) in bad.items():
        upload(explorer, content, name)
        assert words in explorer.message.value and html.escape(name) in explorer.message.value
        assert (explorer.image.value, state(explorer), explorer._now) == before
    explorer.undo()
    assert explorer.sliders[0].value != 1.0 and explorer.message.value == ""


def test_pictures_of_other_shapes_and_kinds_are_converted():
    grey = replace(vl.data.digits(n=20), name="grey")
    colour = replace(grey, x=np.repeat(grey.x, 3, axis=-1))
    wide = np.zeros((20, 60, 3))
    wide[:, 20:40, 0] = 1  # the middle is red
    x = image_source.read_picture(file(wide), "wide.png", colour).x
    assert x.shape == colour.shape and x.dtype == np.float32
    inside = np.s_[:, 1:-1]  # at its edges the picture may be blurred
    np.testing.assert_allclose(x[inside], np.broadcast_to(np.float32([1, 0, 0]), x[inside].shape), atol=0.02)
    x = image_source.read_picture(file(wide), "wide.png", grey).x
    assert x.shape == grey.shape
    np.testing.assert_allclose(x[inside], 0.299, atol=0.02)
    clear = io.BytesIO()
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(clear, "PNG")
    np.testing.assert_array_equal(image_source.read_picture(clear.getvalue(), "clear.png", grey).x, 1.0)
    two = replace(grey, x=np.repeat(grey.x, 2, axis=-1))
    with pytest.raises(ValueError, match="2 channels"):
        image_source.read_picture(file(wide), "wide.png", two)


def test_black_and_white_are_those_of_the_data():
    digits = vl.data.digits(n=20)
    black_and_white = image_source.black_and_white
    assert black_and_white(replace(digits, x=digits.x * np.float32(0.5))) == (0, 1)  # fractions of 16
    assert black_and_white(replace(digits, x=digits.x * np.float32(0.5), scale=1.0)) == (0, 1)
    assert black_and_white(replace(digits, x=digits.x * 127, scale=1.0)) == (0, 127)
    of_fractions = replace(digits, x=(digits.x / 2 - np.float32(0.25)) * 2, offset=0.25, scale=0.5)
    assert black_and_white(of_fractions) == (-0.5, 1.5)
    of_anything = replace(digits, x=(digits.x - np.float32(0.25)) * 2, offset=-4.0, scale=8.0)
    assert black_and_white(of_anything) == (-0.5, 1.5)
    assert black_and_white(replace(digits, x=np.full(digits.x.shape, 100, np.uint8), scale=1.0)) == (0, 1)


def test_images_of_bytes_are_shown_as_fractions(model):
    x = np.random.default_rng(1).integers(20, 200, (12, SIZE, SIZE, 1)).astype(np.uint8)
    data = vl.data.Dataset("bytes", x)
    of_bytes, of_floats = (vl.widgets.explore(model, each) for each in (data, data.as_floats()))
    for explorer in (of_bytes, of_floats):
        explorer.source.number.value = 5
    np.testing.assert_allclose(state(of_bytes).position, state(of_floats).position, atol=1e-4)
    original = data.as_floats().x[5:6]
    panel = of_bytes.panels[0]
    np.testing.assert_array_equal(shown(panel.original), vl.figures.to_pixels(original, (0, 1))[0])
    np.testing.assert_array_equal(shown(panel.image), vl.figures.to_pixels(model.reconstruct(original), (0, 1))[0])


def test_a_drawing_is_encoded_stroke_by_stroke_and_wiping_changes_nothing(explorer, bumps):
    drawing = np.zeros((160, 160, 1))
    drawing[80:] = 1
    pad = explorer.source.pad
    assert (pad.width, pad.height) == (160, 160)
    pad.picture = "data:image/png;base64," + base64.b64encode(file(drawing)).decode()
    x = explorer._now.source.x
    low, high = -bumps.offset / bumps.scale, (1 - bumps.offset) / bumps.scale
    np.testing.assert_allclose(x[: SIZE // 2 - 1], low, atol=1e-5)
    np.testing.assert_allclose(x[SIZE // 2 + 1 :], high, atol=1e-5)
    shown = explorer.image.value
    pad.picture = ""
    assert explorer.image.value == shown and original_shown(explorer)
    pad.picture = "data:image/png;base64," + base64.b64encode(file(drawing)).decode()
    explorer.reset()
    assert pad.picture == ""


def test_without_anywidget_the_picker_and_the_upload_remain(model, bumps, monkeypatch):
    monkeypatch.delitem(sys.modules, "vrrae_lab.widgets.drawing_pad", raising=False)
    monkeypatch.delitem(sys.modules, "vrrae_lab.widgets.pixel_canvas", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    explorer = vl.widgets.explore(model, bumps)
    assert explorer.source.pad is None
    explorer.source.number.value = 1
    assert isinstance(explorer.image, PngPicture)
    assert_shows(explorer.image, model.reconstruct(bumps.x[1:2]), bumps)
    explorer.reset()
    assert explorer.message.value == ""


# ------------------------------------------------------------------------------------------------------- two models


def test_two_models_get_the_same_image_and_have_sliders_of_their_own(model, plain, bumps):
    explorer = vl.widgets.explore(model, bumps, other=plain)
    first, second = explorer.panels
    assert len(second.sliders) == 3 and second.noise is None
    explorer.source.number.value = 9
    for panel, each in ((first, model), (second, plain)):
        assert_shows(panel.original, bumps.x[9:10], bumps)
        assert_shows(panel.image, each.reconstruct(bumps.x[9:10]), bumps)
    before = first.image.value, second.image.value
    second.sliders[0].value = 1.0
    assert first.image.value == before[0] and second.image.value != before[1]
    assert "of the second model" in explorer._playing.value
    first.rank.value = 1
    assert first.caption.value.startswith("rank 1 of 5") and second.caption.value.startswith("rank 3 of 3")
    explorer.undo()
    explorer.undo()
    assert (first.image.value, second.image.value) == before
    explorer.random()
    np.testing.assert_array_equal(first.state.position[:3], second.state.position)
