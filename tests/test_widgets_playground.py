"""Live training at the level of traits; tests/browser moves it in JupyterLab."""

import asyncio
import importlib
import io
import re
import signal

import equinox as eqx
import jax
import numpy as np
import pytest
from PIL import Image
from support import linear_nets

import vrrae_lab as vl
from vrrae_lab.experiments.optimizer import adabelief
from vrrae_lab.widgets import live_training, raster, training_pictures
from vrrae_lab.widgets.live_training import LiveTraining, Settings

SETTINGS = Settings(beta=0.5, learning_rate=1e-3, rank=3, noise=1.0)
KEY = jax.random.key(7)


@pytest.fixture(scope="module", autouse=True)
def small_nets():
    """Linear encoders and decoders: what is tried here is the same with any."""
    with linear_nets():
        yield


@pytest.fixture(scope="module")
def x():
    return vl.data.digits("train", 200).x


def built(name):
    sizes = {"latent_size": 6, "rank": 3} if "rr" in name else {"latent_size": 3}
    return vl.models.build(name, {"shape": (8, 8, 1), **sizes}, key=jax.random.key(3))


def live(name, x, settings=SETTINGS):
    return LiveTraining(built(name), x, settings, batch_size=32, key=KEY)


def arrays(tree):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(eqx.filter(tree, eqx.is_inexact_array))]


def make(**changed):
    return vl.widgets.playground(**{"data": "digits", "key": jax.random.key(0)} | changed)


@pytest.fixture
def playground():
    playground = make()
    yield playground
    playground.close()


def shown(playground):
    return {name: picture.value for name, picture in playground.pictures.items()}


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def in_a_kernel(actions):
    """Run `actions`, a coroutine function, on an event loop as a kernel has one."""
    return asyncio.run(actions())


async def until(condition, seconds=30):
    """Wait as the kernel does: in turns with the training."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it has not happened")


# ------------------------------------------------------------------------------------------------- the training


@pytest.mark.parametrize("name", ["vae", "adaptive_vrrae", "ae", "adaptive_rrae"])
def test_what_is_left_alone_trains_as_fit_does(name, x):
    deterministic = name in ("ae", "adaptive_rrae")
    loss = vl.losses.Reconstruction() if deterministic else vl.losses.Variational(0.5)
    expected, history = vl.fit(
        built(name), x, loss=loss, optimizer=adabelief(1e-3), batch_size=32, num_steps=9, key=KEY, progress=False
    )
    training = live(name, x)
    training.advance(4)
    last = training.advance(5)
    assert training.step == 9
    assert last == pytest.approx({term: np.mean(values[4:]) for term, values in history.terms.items()}, rel=1e-5)
    for found, wanted in zip(arrays(training.model), arrays(expected), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["vae", "vrrae"])
def test_same_key_and_same_changes_give_the_same_numbers(name, x):
    first, second = live(name, x), live(name, x)
    for training in (first, second):
        training.advance(3)
        training.change(Settings(2.0, 3e-3, 2, 0.5))
        training.advance(3)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(first.model), arrays(second.model), strict=True))
    assert not np.array_equal(arrays(first.model)[0], arrays(live(name, x).model)[0])


def test_each_setting_counts_from_the_next_update_on(x):
    for change in ({"beta": 3.0}, {"learning_rate": 1e-2}, {"rank": 1}, {"noise": 0.0}):
        usual, other = live("vrrae", x), live("vrrae", x)
        usual.advance(2), other.advance(2)
        other.change(SETTINGS._replace(**change))
        usual.advance(2), other.advance(2)
        assert not np.array_equal(arrays(usual.model)[0], arrays(other.model)[0]), change


@pytest.mark.parametrize("name", ["vae", "vrrae", "rrae"])
def test_the_rank_is_that_of_what_is_seen_and_left_to_models_without_an_svd(name, x):
    training = live(name, x)
    training.change(SETTINGS._replace(rank=2))
    look = training.look(x[:50], 4)
    used = np.abs(look.mean).max(axis=0) > 0
    assert used.tolist() == [True, True, name == "vae"]
    assert look.kept == (3 if name == "vae" else 2)


def test_noise_of_factor_zero_decodes_the_mean_and_leaves_the_divergence(x):
    model, batch, key = built("vrrae"), jax.numpy.asarray(x[:32]), jax.random.key(0)
    none, usual, double = (
        live_training.LiveLoss(vl.losses.Variational(0.5), jax.numpy.float32(factor))(model, batch, key=key)[1]
        for factor in (0, 1, 2)
    )
    frozen = vl.freeze_basis(model, x[:32])
    error = float(np.sum((np.asarray(frozen.reconstruct(batch)) - x[:32]) ** 2) / 32)
    assert float(none["reconstruction"]) == pytest.approx(error, rel=1e-4)
    assert float(none["kl"]) == float(usual["kl"]) == float(double["kl"])
    plain = vl.losses.Variational(0.5)(model, batch, key=key)[1]
    assert float(usual["reconstruction"]) == pytest.approx(float(plain["reconstruction"]), rel=1e-5)
    # the decoder is linear, so the error is a parabola of the factor
    excess = [float(loss["reconstruction"]) - error for loss in (usual, double)]
    assert excess[1] > 2 * excess[0] > 0


@pytest.mark.parametrize("name", ["vae", "vrrae", "rrae", "ae"])
def test_a_look_is_that_of_the_frozen_model(name, x):
    training = live(name, x)
    training.advance(3)
    look = training.look(x[:60], 5)
    frozen = vl.freeze_basis(training.model, x[:60])
    posterior = frozen.encode(x[:60])
    np.testing.assert_allclose(look.mean, posterior.mean, atol=1e-4)
    np.testing.assert_allclose(look.x_hat, frozen.reconstruct(x[:60])[:5], atol=1e-4)
    if name in ("ae", "rrae"):
        assert look.kl is None
    else:
        np.testing.assert_allclose(look.kl, np.asarray(posterior.kl()).mean(axis=0), atol=1e-4)
    full = posterior.mean if name in ("vae", "ae") else frozen.encoder(jax.numpy.asarray(x[:60]))
    expected = np.linalg.svd(np.asarray(full), compute_uv=False) / np.sqrt(60)
    np.testing.assert_allclose(look.spectrum, expected, rtol=1e-3, atol=1e-5)


# --------------------------------------------------------------------------------------------------- the widget


def test_step_makes_one_update_of_both_and_draws_them(playground):
    before = shown(playground)
    playground.buttons["step"].click()
    assert playground.message.value == ""
    assert {name: training.step for name, training in playground.training.items()} == {"VAE": 1, "VRRAE": 1}
    assert playground.status.value.startswith("step 1: ")
    playground.step(20)
    assert playground.status.value.startswith("step 21: ") and playground.message.value == ""
    after = shown(playground)
    assert all(before[name] != after[name] for name in before)


def test_reset_restores_the_first_pictures_and_the_same_numbers_follow(playground):
    start = shown(playground), playground.caption.value
    playground.step(7)
    after = shown(playground)
    playground.buttons["reset"].click()
    assert (shown(playground), playground.caption.value) == start
    assert playground.status.value.startswith("step 0: ")
    playground.step(7)
    assert shown(playground) == after


@pytest.fixture(scope="module")
def compilations():
    """The events of compilation so far; no way back is public, so the listener stays."""
    events = []

    def note(event, duration, **details):
        if "compile" in event:
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    return events


def test_no_slider_compiles_anything_again(playground, compilations):
    playground.step()
    values = {"beta": 20.0, "learning_rate": 0.01, "rank": 3, "noise": 0.5, "speed": 4}
    for name in values:  # the first use of a slider, as of any function of JAX, may compile something tiny
        playground.sliders[name].value += playground.sliders[name].step
    playground.step()
    count = len(compilations)
    for name, value in values.items():
        playground.sliders[name].value = value
        playground.step()
    assert len(compilations) == count and playground.message.value == ""
    assert {training.settings for training in playground.training.values()} == {Settings(20.0, 0.01, 3, 0.5)}
    make(data="bumps").close()
    assert len(compilations) > count  # the counter counts


def test_a_larger_beta_leaves_less_kl(playground):
    divergences = []
    for beta in (0.01, 10.0):
        playground.sliders["beta"].value = beta
        playground.reset()
        playground.step(60)
        divergences.append([float(part) for part in re.findall(r"KL ([\d.e+-]+)", playground.caption.value)])
    assert len(divergences[0]) == 2
    assert all(small > 2 * large for small, large in zip(*divergences, strict=True))


def test_the_rank_is_seen_at_once_while_paused(playground):
    playground.step(3)
    before = shown(playground)
    playground.sliders["rank"].value = 2
    after = shown(playground)
    assert all(before[name] != after[name] for name in ("meter", "spectrum", "reconstructions"))
    assert before["curves"] == after["curves"]


def test_start_trains_between_other_work_and_pause_stops_it(playground):
    async def actions():
        playground.buttons["start"].click()
        assert playground.running
        await until(lambda: playground.training["VAE"].step >= 5)
        playground.sliders["beta"].value = 7.0  # between two frames, as a message from the page is
        playground.sliders["speed"].value = 3
        step = playground.training["VRRAE"].step
        await until(lambda: playground.training["VRRAE"].step >= step + 6)
        playground.buttons["pause"].click()
        step = playground.training["VAE"].step
        await asyncio.sleep(0.3)
        assert playground.training["VAE"].step == playground.training["VRRAE"].step == step
        assert playground.status.value == f"step {step}: paused"
        playground.start()
        await until(lambda: playground.training["VAE"].step > step)
        playground.reset()
        await asyncio.sleep(0.1)

    in_a_kernel(actions)
    assert not playground.running and playground.status.value.startswith("step 0: ")
    assert {training.settings.beta for training in playground.training.values()} == {7.0}


def test_closing_it_ends_the_training(playground):
    async def actions():
        playground.start()
        await until(lambda: playground.training["VAE"].step >= 1)
        playground.close()
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) == 1  # this one

    in_a_kernel(actions)


def test_another_playground_takes_the_turn(playground):
    async def actions():
        playground.start()
        other = make()
        assert not playground.running
        other.start()
        assert other.running
        playground.start()
        assert playground.running and not other.running
        playground.pause()
        other.close()

    in_a_kernel(actions)


def test_an_interrupt_ends_the_training_between_two_frames(playground, monkeypatch):
    draw = playground._draw

    def draw_interrupted():
        signal.raise_signal(signal.SIGINT)
        draw()

    async def actions():
        playground.start()
        await until(lambda: playground.training["VAE"].step >= 2)
        monkeypatch.setattr(playground, "_draw", draw_interrupted)
        await until(lambda: not playground.running)

    in_a_kernel(actions)
    assert re.fullmatch(r"step \d+: interrupted", playground.status.value)
    assert len({training.step for training in playground.training.values()}) == 1
    with pytest.raises(KeyboardInterrupt):
        playground.step()


def test_an_error_while_training_is_shown_and_stops_it(playground, monkeypatch):
    def failing():
        raise OSError("the <paper> is out")

    async def actions():
        playground.start()
        await until(lambda: playground.training["VAE"].step >= 1)
        monkeypatch.setattr(playground, "_draw", failing)
        await until(lambda: not playground.running)

    in_a_kernel(actions)
    assert "OSError: the &lt;paper&gt; is out" in playground.message.value
    playground.message.value = ""
    playground.buttons["step"].click()
    assert "OSError" in playground.message.value
    monkeypatch.undo()
    playground.buttons["step"].click()
    assert playground.message.value == ""


def test_divergence_is_said_in_words_and_reset_recovers(playground):
    start = shown(playground)
    playground.sliders["learning_rate"].value = 1.0
    playground.sliders["beta"].value = 100.0
    for _ in range(30):
        playground.buttons["step"].click()
        if playground.message.value:
            break
    words = playground.message.value
    assert "diverged by step" in words and "Lower the learning rate, then press reset" in words
    assert playground.status.value.endswith(": stopped") and len(words) < 300
    playground.buttons["step"].click()
    assert "diverged by step" in playground.message.value  # nothing but a reset helps
    playground.sliders["learning_rate"].value = 1e-3
    playground.buttons["reset"].click()
    assert playground.message.value == "" and shown(playground) == start


def test_start_without_an_event_loop_names_step(playground):
    with pytest.raises(RuntimeError, match="no event loop is running here.*step"):
        playground.start()
    playground.buttons["start"].click()
    assert "step(n)" in playground.message.value and not playground.running


def test_what_is_shown_is_what_the_caption_says(playground):
    playground.step(30)
    data = vl.data.digits("test", 200)
    for (name, training), line in zip(playground.training.items(), playground.caption.value.split("<br>"), strict=True):
        look = training.look(data.x, 10)
        count = vl.metrics.active_units(look.mean).sum()
        error = ((look.x_hat - data.x[:10]) ** 2).sum() / 10
        assert line.startswith(f"{name}: {count} of 8 coefficients active, KL {look.kl.sum():.3g} nats")
        assert line.endswith(f"{error:.3g}")
    sheet = pixels(playground.pictures["reconstructions"].value)
    magnify = sheet.shape[1] // (10 * 9 - 1)
    shown_images = sheet[::magnify, ::magnify][:8]
    limits = float(data.x[:10].min()), float(data.x[:10].max())
    expected = vl.figures.to_pixels(data.x[:10], limits)
    for i in range(10):
        np.testing.assert_array_equal(shown_images[:, 9 * i : 9 * i + 8], expected[i])


def test_deterministic_models_and_an_own_data_set(playground):
    data = vl.data.digits("train", 50)
    other = make(data=vl.data.Dataset("own", data.x), models=("ae", "rrae"))
    other.step(2)
    assert other.message.value == "" and "KL" not in other.caption.value
    assert list(other.models) == ["AE", "RRAE"]
    other.close()


def test_what_is_watched_of_an_own_data_set_is_not_trained_on(monkeypatch):
    module, trained = importlib.import_module("vrrae_lab.widgets.playground"), []

    def spy(model, x, *arguments, **named):
        trained.append(x)
        return LiveTraining(model, x, *arguments, **named)

    monkeypatch.setattr(module, "LiveTraining", spy)
    x = vl.data.digits("train", 52).x
    playground = make(data=vl.data.Dataset("own", x, np.arange(52)))
    playground.close()
    np.testing.assert_array_equal(playground._watched.x, x[::5])
    np.testing.assert_array_equal(playground._watched.labels, np.arange(52)[::5])
    for images in trained:
        np.testing.assert_array_equal(images, np.delete(x, np.s_[::5], axis=0))


def test_the_plane_is_that_of_the_two_coefficients_that_spread_most():
    random = np.random.default_rng(0)
    mean = random.normal(size=(40, 4)) * [0.1, 2.0, 0.2, 1.0]

    def plane(mean):
        look = live_training.Look(mean, None, np.ones(4), np.array(4), np.zeros((1, 8, 8, 1)))
        return training_pictures.planes({"one": look}, np.arange(40.0))

    for coefficient, seen in enumerate((False, True, False, True)):
        other = mean.copy()
        other[:, coefficient] *= 0.8
        assert (plane(other) != plane(mean)) == seen


def test_the_models_can_be_taken_out(playground):
    playground.step(2)
    model = playground.models["VRRAE"]
    playground.step(2)  # would take over the buffers
    assert vl.freeze_basis(model, vl.data.digits("train", 100).x).encode(vl.data.digits("test", 5).x).mean.shape == (
        5,
        8,
    )


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"data": "faces"}, "data = 'faces': use 'digits', 'bumps' or a Dataset"),
        ({"models": ("vae", "vae")}, "name two different ones"),
        ({"models": ("vae", "irmae")}, "'irmae' is none of ae, vae"),
    ],
)
def test_bad_input_is_refused_with_a_remedy(arguments, words):
    with pytest.raises(ValueError, match=words):
        make(**arguments)


def test_a_data_set_too_small_or_not_finite_is_refused():
    x = vl.data.digits("train", 40).x
    with pytest.raises(ValueError, match="tiny has 39 images: give 40 or more"):
        make(data=vl.data.Dataset("tiny", x[:39]))
    with pytest.raises(ValueError, match="finite"):
        make(data=vl.data.Dataset("broken", np.where(x > 0.99, np.float32(np.nan), x)))
    make(data=vl.data.Dataset("just", x)).close()


def test_a_number_of_updates_below_one_is_refused(playground):
    with pytest.raises(ValueError, match="num_updates = 0"):
        playground.step(0)


# ------------------------------------------------------------------------------------------------ the scenarios


@pytest.fixture(scope="module", params=["digits", "bumps"])
def told(request):
    """A playground by its data, with a function that plays a scenario on it, as a person would choose it."""
    playground = make(data=request.param, key=jax.random.key(1))

    def play(name):
        playground.scenario.value = name
        scenario = playground._scenarios[name]
        assert scenario.words in playground.advice.value and f"{scenario.steps} updates" in playground.advice.value
        playground.step(scenario.steps)
        return looks(playground)

    yield playground, play
    playground.close()


def looks(playground):
    """What the models make of all the images that are watched."""
    assert playground.message.value == ""
    x = playground._watched.x
    return {name: training.look(x, len(x)) for name, training in playground.training.items()}


def errors(playground):
    x = playground._watched.x
    return {name: float(((look.x_hat - x) ** 2).mean()) for name, look in looks(playground).items()}


def num_active(looks):
    return {name: int(vl.metrics.active_units(look.mean).sum()) for name, look in looks.items()}


def test_balanced(told):
    playground, play = told
    assert num_active(play("balanced")) == {"VAE": 8, "VRRAE": 8}
    x = playground._watched.x
    of_the_mean = float(((x - x.mean(axis=0)) ** 2).mean())
    assert all(error < of_the_mean / 2 for error in errors(playground).values())


def test_the_vae_collapses(told):
    count = num_active(told[1]("make the VAE collapse"))
    assert count["VAE"] <= 6 and count["VAE"] < count["VRRAE"]


def test_beta_too_large(told):
    found = told[1]("β too large")
    assert num_active(found) == {"VAE": 0, "VRRAE": 0}
    for look in found.values():
        assert look.x_hat.std(axis=0).max() < 0.15 * told[0]._watched.x.std(axis=0).max()


def test_near_tied_singular_values(told):
    playground, play = told
    playground.scenario.value = "balanced"  # so that the next line is a change
    playground.scenario.value = "near-tied singular values"
    first, closest = errors(playground)["VRRAE"], 0.0
    for _ in range(60):
        playground.training["VRRAE"].advance(5)
        values = playground.training["VRRAE"].look(playground._watched.x, 1).spectrum[:8]
        closest = max(closest, float((values[1:] / values[:-1]).max()))
    assert closest > 0.97
    assert errors(playground)["VRRAE"] < 0.5 * first


def test_rank_too_small_until_it_is_raised(told):
    playground, play = told
    play("rank too small")
    before = errors(playground)
    assert before["VRRAE"] > 1.3 * before["VAE"]
    playground.sliders["rank"].value = 8
    playground.step(300)
    assert errors(playground)["VRRAE"] < 0.8 * before["VRRAE"]


def test_scenarios_are_offered_only_where_they_are_true(playground):
    assert len(playground.scenario.options) == 6
    other = make(models=("vae", "rrae"))
    assert other.scenario.options == ("choose one",)
    other.close()


# -------------------------------------------------------------------------------------------------- the charts


@pytest.mark.parametrize("value, expected", [(1.0, 1), (1.01, 2), (0.3, 0.5), (70, 100), (2e-3, 2e-3)])
def test_round_up(value, expected):
    assert raster.round_up(value) == pytest.approx(expected)


def test_decades_are_powers_of_ten_around_what_is_positive():
    assert raster.decades(np.array([0.0, 0.02, 300.0]), 1e-3, 1e4) == pytest.approx((0.01, 1000))
    assert raster.decades(np.array([5.0]), 1e-3, 1e4) == pytest.approx((1, 10))
    assert raster.decades(np.array([10.0]), 1e-3, 1e4) == pytest.approx((10, 100))
    assert raster.decades(np.array([1e-9, 1e9]), 1e-3, 1e4) == pytest.approx((1e-3, 1e4))
    assert raster.decades(np.zeros(0), 1e-3, 1e4) == (1e-3, 1e4)


def drawn(sheet, colour):
    """Rows and columns of the pixels of a colour."""
    return np.nonzero((sheet.pixels() == np.array(colour)).all(axis=2))


def a_sheet(x, y):
    return raster.Sheet(200, 120, [""], [(x, y)])


def test_dots_lie_where_their_axes_say():
    sheet = a_sheet(raster.Axis(0, 10), raster.Axis(0.01, 100, logarithmic=True))
    sheet.panels[0].dots([5.0], [1.0], [(255, 0, 0)])
    rows, columns = drawn(sheet, (255, 0, 0))
    top, bottom = raster.MARGIN_TOP, 120 - raster.MARGIN_BOTTOM
    left, right = raster.MARGIN_LEFT, 200 - raster.MARGIN_RIGHT
    assert rows.mean() == pytest.approx((top + bottom) / 2, abs=1)
    assert columns.mean() == pytest.approx((left + right) / 2, abs=1)


def test_letters_that_the_font_lacks_are_refused_rather_than_drawn_as_boxes():
    with pytest.raises(ValueError, match="'σ': .* beyond ASCII"):
        raster.Sheet(200, 120, ["σ"], [(raster.Axis(0, 1), raster.Axis(0, 1))])


def test_bars_grow_with_their_heights_and_only_filled_ones_are_full():
    sheet = a_sheet(raster.Axis(0, 3), raster.Axis(0, 4))
    sheet.panels[0].bars([1.0, 3.0], [True, False], "#FF0000")
    rows, columns = drawn(sheet, (255, 0, 0))
    middle = (raster.MARGIN_LEFT + 200 - raster.MARGIN_RIGHT) / 2
    full, outline = (rows[columns < middle], rows[columns > middle])
    assert np.ptp(outline) == pytest.approx(3 * np.ptp(full), rel=0.1)
    assert len(full) > 500 and len(outline) < 300


def test_a_line_goes_from_point_to_point_and_stays_inside():
    sheet = a_sheet(raster.Axis(0, 1), raster.Axis(0, 1))
    sheet.panels[0].line([0.0, 1.0], [0.0, 5.0], "#FF0000")
    rows, columns = drawn(sheet, (255, 0, 0))
    assert columns.min() <= raster.MARGIN_LEFT + 2 and columns.max() >= 200 - raster.MARGIN_RIGHT - 2
    assert rows.min() >= raster.MARGIN_TOP - 2 and rows[columns.argmin()] > rows[columns.argmax()]
