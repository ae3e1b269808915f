"""The explorer at the level of traits; tests/browser moves it in JupyterLab."""

import threading

import equinox as eqx
import ipywidgets
import jax
import numpy as np
import pytest
from support import shown

import vrrae_lab as vl

SIZE = 16


@pytest.fixture(scope="module")
def bumps():
    return vl.data.bumps(25, image_size=SIZE)


@pytest.fixture(scope="module")
def model(bumps):
    frozen = vl.freeze_basis(vl.vrrae(bumps.shape, latent_size=6, rank=3, key=jax.random.key(0)), bumps.x)
    # an untrained decoder hardly answers to its input; this one shows every slider, in 8 bits too
    patterns = jax.random.normal(jax.random.key(1), (6, SIZE * SIZE))
    return eqx.tree_at(
        lambda m: m.decoder, frozen, lambda latents: 2 + (50 * latents @ patterns).reshape(-1, SIZE, SIZE, 1)
    )


def limits(bumps):
    return float(bumps.x.min()), float(bumps.x.max())


def test_the_middle_of_the_sliders_is_the_decoded_mean(model, bumps):
    explorer = vl.widgets.explore(model, bumps)
    middle = np.asarray(model.encode(bumps.x).mean).mean(axis=0)
    image = np.asarray(model.decode(middle[None]))
    expected = vl.figures.to_pixels(image, limits(bumps))[0]
    np.testing.assert_array_equal(shown(explorer.image), expected)


def test_a_slider_moves_its_coefficient_by_its_spread(model, bumps):
    explorer = vl.widgets.explore(model, bumps)
    means = np.asarray(model.encode(bumps.x).mean)
    explorer.sliders[1].value = 1.5
    z, spread = means.mean(axis=0), means.std(axis=0)
    second = np.argsort(-spread)[1]
    z[second] += 1.5 * spread[second]
    expected = vl.figures.to_pixels(np.asarray(model.decode(z[None])), limits(bumps))[0]
    # rounding to 8 bits may fall either way
    assert np.abs(shown(explorer.image).astype(int) - expected).max() <= 2


def test_every_slider_changes_the_picture_and_reset_brings_it_back(model, bumps):
    explorer = vl.widgets.explore(model, bumps)
    start = explorer.image.value
    assert explorer.sliders[-1] is explorer.noise and len(explorer.sliders) == 4
    for slider in explorer.sliders:
        slider.value = 1.0
        assert explorer.image.value != start, f"{slider.description} moved nothing"
        explorer.reset()
        assert explorer.image.value == start


def test_the_coefficients_of_largest_spread_come_first(model, bumps):
    explorer = vl.widgets.explore(model, bumps, num_sliders=2)
    spread = np.asarray(model.encode(bumps.x).mean).std(axis=0)
    names = [f"coefficient {j + 1}" for j in np.argsort(-spread)[:2]]
    assert [slider.description for slider in explorer.sliders] == [*names, "noise"]


def test_a_deterministic_model_has_no_noise_slider(bumps):
    model = vl.ae(bumps.shape, latent_size=2, key=jax.random.key(0))
    assert vl.widgets.explore(model, bumps).noise is None


def test_an_error_while_drawing_is_shown_and_cleared_again(model, bumps, monkeypatch):
    explorer = vl.widgets.explore(model, bumps)

    def failing(*values):
        raise RuntimeError("the decoder is <gone>")

    with monkeypatch.context() as patch:
        patch.setattr(type(explorer.panels[0].coefficients), "decode", failing)
        explorer.sliders[0].value = 1.0
    assert "the decoder is &lt;gone&gt;" in explorer.message.value
    explorer.sliders[0].value = 0.5
    assert explorer.message.value == ""


def test_bad_input_is_refused_with_a_remedy(bumps):
    unfrozen = vl.vrrae(bumps.shape, latent_size=6, rank=3, key=jax.random.key(0))
    with pytest.raises(ValueError, match="freeze_basis"):
        vl.widgets.explore(unfrozen, bumps)
    frozen = vl.freeze_basis(unfrozen, bumps.x)
    with pytest.raises(ValueError, match="num_sliders = 0"):
        vl.widgets.explore(frozen, bumps, num_sliders=0)
    with pytest.raises(ValueError, match="shape"):
        vl.widgets.explore(frozen, vl.data.bumps(25, image_size=12))
    with pytest.raises(ValueError, match="freeze_basis"):
        vl.widgets.explore(frozen, bumps, other=unfrozen)
    diverged = eqx.tree_at(lambda m: m.bottleneck.basis.matrix, frozen, replace_fn=lambda matrix: matrix * np.nan)
    with pytest.raises(ValueError, match="diverged"):
        vl.widgets.explore(diverged, bumps)


def test_the_model_is_not_changed(model, bumps):
    before = jax.tree.leaves(eqx.filter(model, eqx.is_array))
    vl.widgets.explore(model, bumps).sliders[0].value = 2.0
    after = jax.tree.leaves(eqx.filter(model, eqx.is_array))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_of_two_threads_the_last_value_wins():
    """JupyterLab's messages come in two threads, and the slower of two pictures may be the older one."""
    slow, go_on = threading.Event(), threading.Event()

    def render(value):
        if value == 1:
            slow.set()
            go_on.wait(10)
        return vl.widgets.View(b"%d" % value)

    slider = ipywidgets.IntSlider(value=0, max=9)
    widget = vl.widgets.SliderPicture(render, [slider])
    threads = [threading.Thread(target=setattr, args=(slider, "value", value)) for value in (1, 2)]
    threads[0].start()
    assert slow.wait(10)
    threads[1].start()
    threads[1].join(0.2)  # without a lock it has drawn by now
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert bytes(widget.image.value) == b"2" and widget.message.value == ""


def test_an_error_is_shown_as_text():
    def render(value):
        raise ValueError("<b>not bold</b>")

    widget = vl.widgets.SliderPicture(render, [ipywidgets.IntSlider()])
    assert "&lt;b&gt;not bold" in widget.message.value
