"""Live training at the level of traits; tests/browser moves it in JupyterLab."""

import asyncio
import base64
import importlib
import json
import math
import re
import signal

import equinox as eqx
import ipywidgets
import jax
import numpy as np
import pytest
from support import linear_nets

import vrrae_lab as vl
from vrrae_lab.experiments.optimizer import adabelief
from vrrae_lab.widgets import live_training, presets
from vrrae_lab.widgets.live_training import LiveTraining, Settings
from vrrae_lab.widgets.race import Recording, frame_type

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
    name, _, centred = name.partition(", ")
    sizes = {"latent_size": 6, "rank": 3} if "rr" in name else {"latent_size": 3}
    sizes |= {"centre": True} if centred else {}
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


def frames(playground):
    return playground.record().frames


def last(playground, name):
    return frames(playground)[name][-1]


def asked(playground, **content):
    """What Python sends when the page sends this."""
    sent = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(playground, "send", lambda content, buffers=None: sent.append((content, buffers)))
        playground._handle_custom_msg(content, [])
    return sent


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


@pytest.mark.parametrize("name", ["vae", "adaptive_vrrae", "adaptive_vrrae, centred", "ae", "adaptive_rrae"])
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
    look = training.look(x[:50])
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


@pytest.mark.parametrize("name", ["vae", "vrrae", "vrrae, centred", "rrae", "ae"])
def test_a_look_is_that_of_the_frozen_model(name, x):
    training = live(name, x)
    training.advance(3)
    look = training.look(x[:60])
    frozen = vl.freeze_basis(training.model, x[:60])
    posterior = frozen.encode(x[:60])
    np.testing.assert_allclose(look.mean, posterior.mean, atol=1e-4)
    np.testing.assert_allclose(look.x_hat, frozen.reconstruct(x[:60]), atol=1e-4)
    if name in ("ae", "rrae"):
        assert look.kl is None and look.deviation is None
    else:
        np.testing.assert_allclose(look.deviation, posterior.standard_deviation.mean(axis=0), atol=1e-4)
        np.testing.assert_allclose(look.kl, np.asarray(posterior.kl()).mean(axis=0), atol=1e-4)
    full = posterior.mean if name in ("vae", "ae") else frozen.encoder(jax.numpy.asarray(x[:60]))
    full = np.asarray(full) - (np.asarray(full).mean(axis=0) if "centred" in name else 0)
    expected = np.linalg.svd(full, compute_uv=False) / np.sqrt(60)
    np.testing.assert_allclose(look.spectrum, expected, rtol=1e-3, atol=1e-5)


# --------------------------------------------------------------------------------------------------- the widget


def test_step_makes_one_update_of_both_and_keeps_a_frame(playground):
    asked(playground, do="step")
    assert playground.message == "" and playground.steps == 1
    assert {name: training.step for name, training in playground.training.items()} == {"VAE": 1, "VRRAE": 1}
    playground.step(20)
    assert playground.steps == 21 and playground.status == "paused"
    assert frames(playground)["step"].tolist() == [0, 1, 6, 11, 16, 21]
    assert playground._frames == frames(playground).tobytes()  # what a notebook is saved with
    playground.speed = 20
    playground.step(900)
    saved = np.frombuffer(playground._frames, frames(playground).dtype)
    assert len(saved) == 40 and saved["step"][0] == 0 and saved["step"][-1] == 921


def test_a_frame_is_what_the_models_make_of_the_images_that_are_watched(playground):
    playground.step(30)
    frame = frames(playground)[-1]
    x = playground._data.watched.x
    for i, training in enumerate(playground.training.values()):
        look = training.look(x)
        error = vl.metrics.relative_error(x, look.x_hat)
        np.testing.assert_allclose(frame["scores"][i][:2], [error, look.kl.sum()], rtol=1e-5)
        np.testing.assert_array_equal(frame["awake"][i], vl.metrics.active_units(look.mean))
        np.testing.assert_allclose(abs(frame["mean"][i]), abs(look.mean), atol=5e-3)
        np.testing.assert_allclose(frame["kl"][i], look.kl, rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(frame["deviation"][i], look.deviation, rtol=1e-3)
        np.testing.assert_allclose(frame["pixels"][i], 255 * look.x_hat[playground._chosen].clip(0, 1), atol=0.51)
    assert frame["settings"].tolist() == [pytest.approx([0.03, 1e-3, 8, 1])] * 2
    shown = playground._data.watched.labels[playground._chosen]
    assert len(set(shown.tolist())) == len(shown) == 8  # one of each class
    np.testing.assert_allclose(playground.record().images, 255 * x[playground._chosen], atol=0.51)


def test_signs_follow_the_frame_before(playground):
    playground.step(1)
    before = last(playground, "mean")
    flipped = [-mean for mean in playground._before]
    playground._before = flipped  # as if the SVD had turned all its directions
    playground._keep([{}, {}])
    np.testing.assert_array_equal(last(playground, "mean"), -before)


def test_reset_restores_the_first_frame_and_the_same_numbers_follow(playground):
    start = frames(playground)
    playground.step(7)
    after = frames(playground)
    asked(playground, do="reset")
    assert frames(playground).tobytes() == start.tobytes() and (playground.steps, playground.status) == (0, "ready")
    playground.step(7)
    assert frames(playground).tobytes() == after.tobytes()


def test_a_seed_has_its_own_run_and_comes_back(playground):
    playground.step(3)
    of_zero = frames(playground)
    playground.seed = 1
    assert playground.steps == 0 and playground.message == "" and "seed 1" in playground._source
    playground.step(3)
    assert frames(playground)["scores"][-1].tolist() != of_zero["scores"][-1].tolist()
    playground.seed = 0
    playground.step(3)
    assert frames(playground).tobytes() == of_zero.tobytes()


def test_the_second_model_may_be_the_first_with_one_thing_changed():
    other = make(models=("vrrae", "vrrae"), changed={"beta": 3.0})
    other.step(2)
    assert list(other.models) == ["VRRAE", "VRRAE 2"]
    first, second = (training.settings for training in other.training.values())
    assert second == first._replace(beta=3.0)
    settings = last(other, "settings")
    assert settings[1, 0] == 3 and settings[0, 0] == pytest.approx(0.03)
    np.testing.assert_array_equal(frames(other)["mean"][0, 0], frames(other)["mean"][0, 1])  # the same start
    other.changed = {"rank": 2}
    assert [training.settings.rank for training in other.training.values()] == [8, 2]
    with pytest.raises(ValueError, match=r"rank = 9: use 1 to 8"):
        other.changed = {"rank": 9}
    with pytest.raises(ValueError, match=r"a setting is one of beta"):
        other.changed = {"alpha": 1}
    other.pair = ["ae", "rrae"]
    other.changed = {}
    other.step(2)
    assert list(other.models) == ["AE", "RRAE"] and np.isnan(last(other, "kl")).all() and other.message == ""
    other.close()


@pytest.mark.parametrize("name, value", [("beta", -1.0), ("beta", float("nan")), ("learning_rate", 0.0), ("rank", 9)])
def test_a_setting_out_of_its_limits_is_refused_by_name(playground, name, value):
    with pytest.raises(ValueError, match=f"{name} = {value}: use "):
        setattr(playground, name, value)


@pytest.fixture(scope="module")
def compilations():
    """The events of compilation so far; no way back is public, so the listener stays."""
    events = []

    def note(event, duration, **details):
        if "backend_compile" in event:
            events.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)
    return events


def test_no_slider_and_no_seed_compiles_anything_again(playground, compilations):
    playground.step()
    playground.seed = 1
    values = {"beta": 20.0, "learning_rate": 0.01, "rank": 3, "noise": 0.5, "speed": 4}
    for name in values:  # the first use of a slider, as of any function of JAX, may compile something tiny
        setattr(playground, name, 2 if name in ("rank", "speed") else 0.003)
    playground.step()
    count = len(compilations)
    for name, value in values.items():
        setattr(playground, name, value)
        playground.step()
    playground.seed = 2
    playground.step()
    assert len(compilations) == count and playground.message == ""
    assert {training.settings for training in playground.training.values()} == {Settings(20.0, 0.01, 3, 0.5)}
    make(data="bumps").close()
    assert len(compilations) > count  # the counter counts


def test_a_larger_beta_leaves_less_kl(playground):
    divergences = []
    for beta in (0.01, 10.0):
        playground.beta = beta
        playground.reset()
        playground.step(60)
        divergences.append(last(playground, "scores")[:, 1])
    assert (divergences[0] > 2 * divergences[1]).all()


def test_the_rank_is_seen_at_once_while_paused(playground):
    playground.step(3)
    playground.beta = 0.5
    assert len(frames(playground)) == 2
    playground.rank = 2
    assert frames(playground)["step"].tolist() == [0, 3, 3]
    assert last(playground, "kept").tolist() == [8, 2]
    assert not last(playground, "mean")[1, :, 2:].any() and last(playground, "mean")[0, :, 2:].any()


# --------------------------------------------------------------------------------------- frames, and what is kept


def test_a_page_gets_the_frames_that_it_lacks(playground):
    playground.step(2), playground.step(2), playground.step(2)
    tape, size = frames(playground), frames(playground).dtype.itemsize
    ((content, (all_of_them,)),) = asked(playground, do="frames", generation=-1, have=0)
    assert content["first"] == 0 and all_of_them == tape.tobytes()
    generation = content["generation"]
    ((content, (rest,)),) = asked(playground, do="frames", generation=generation, have=3)
    assert content == {"generation": generation, "first": 3} and rest == tape[3:].tobytes() and len(rest) == size
    playground.reset()
    ((content, (start,)),) = asked(playground, do="frames", generation=generation, have=3)
    assert content["generation"] > generation and content["first"] == 0 and len(start) == size


def test_a_long_race_keeps_every_second_frame(playground, monkeypatch):
    monkeypatch.setattr(importlib.import_module("vrrae_lab.widgets.playground"), "MOST_FRAMES", 5)
    for _ in range(4):
        playground.step()
    assert frames(playground)["step"].tolist() == [0, 2, 4]
    playground.step()
    assert frames(playground)["step"].tolist() == [0, 2, 4, 5]


def test_a_recording_comes_back_from_its_file_and_is_played(playground, tmp_path):
    for _ in range(6):
        playground.step(2)
    recording = playground.record()
    recording.save(tmp_path / "race.npz")
    again = Recording.load(tmp_path / "race.npz")
    assert again.header.items() >= recording.header.items() and again.frames.tobytes() == recording.frames.tobytes()
    np.testing.assert_array_equal(again.images, recording.images)
    replay = vl.widgets.race(tmp_path / "race.npz")
    assert replay._frames == recording.frames.tobytes() and replay.frame == -1
    assert replay._race["bytes"] == frame_type(recording.header).itemsize
    replay.close()


def test_the_page_finds_each_number_where_python_put_it(playground):
    playground.step()
    content = frames(playground)[-1].tobytes()
    for name, (offset, kind, count) in playground._race["fields"].items():
        value = np.asarray(frames(playground)[-1][name])
        both = count * (2 if value.ndim else 1)
        found = np.frombuffer(content, np.dtype(kind), both, offset)
        np.testing.assert_array_equal(found, value.ravel())


def test_a_damaged_recording_is_refused_by_name(playground, tmp_path):
    path = tmp_path / "race.npz"
    playground.record().save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"race\.npz is no recording of a race, or damaged"):
        vl.widgets.race(path)
    np.savez(path, header=np.frombuffer(b'{"format": "another"}', np.uint8))
    with pytest.raises(ValueError, match="its format is 'another'"):
        vl.widgets.race(path)
    with pytest.raises(FileNotFoundError):
        vl.widgets.race("nothing")


def test_the_page_of_a_playground_holds_its_race_and_leaves_one_widget(playground):
    playground.step(2)
    kept = getattr(ipywidgets.widgets.widget, "_instances", {})  # of version 8
    count = len(kept)
    page = playground.html()
    content = json.loads(re.search(r">(\{.*\})<", page)[1].replace("\\u003c", "<"))
    assert base64.b64decode(content["_frames"]["base64"]) == frames(playground).tobytes()
    assert "beta" not in content  # a replay, without what steers
    assert len(kept) == count


def test_start_trains_between_other_work_and_pause_stops_it(playground):
    async def actions():
        playground.running = True  # as the page does
        assert playground._task is not None
        await until(lambda: playground.training["VAE"].step >= 5)
        playground.beta = 7.0  # between two frames, as a message from the page is
        playground.speed = 3
        step = playground.training["VRRAE"].step
        await until(lambda: playground.training["VRRAE"].step >= step + 6)
        playground.running = False
        step = playground.training["VAE"].step
        await asyncio.sleep(0.3)
        assert playground.training["VAE"].step == playground.training["VRRAE"].step == step
        assert playground.status == "paused"
        playground.start()
        await until(lambda: playground.training["VAE"].step > step)
        playground.reset()
        await asyncio.sleep(0.1)

    in_a_kernel(actions)
    assert not playground.running and playground.steps == 0
    assert {training.settings.beta for training in playground.training.values()} == {7.0}


def test_closing_it_ends_the_training(playground):
    async def actions():
        playground.start()
        await until(lambda: playground.training["VAE"].step >= 1)
        playground.close()
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) == 1  # this one

    in_a_kernel(actions)


def test_an_interrupt_ends_the_training_between_two_frames(playground, monkeypatch):
    keep = playground._keep

    def interrupted(terms):
        signal.raise_signal(signal.SIGINT)
        keep(terms)

    async def actions():
        playground.start()
        await until(lambda: playground.training["VAE"].step >= 2)
        monkeypatch.setattr(playground, "_keep", interrupted)
        await until(lambda: not playground.running)

    in_a_kernel(actions)
    assert playground.status == "interrupted"
    assert len({training.step for training in playground.training.values()}) == 1
    with pytest.raises(KeyboardInterrupt):
        playground.step()


def test_an_error_while_training_is_shown_and_stops_it(playground, monkeypatch):
    def failing(terms):
        raise OSError("the <paper> is out")

    async def actions():
        playground.start()
        await until(lambda: playground.training["VAE"].step >= 1)
        monkeypatch.setattr(playground, "_keep", failing)
        await until(lambda: not playground.running)

    in_a_kernel(actions)
    assert "OSError: the <paper> is out" in playground.message
    playground.message = ""
    asked(playground, do="step")
    assert "OSError" in playground.message
    monkeypatch.undo()
    asked(playground, do="step")
    assert playground.message == ""


def test_divergence_is_said_in_words_and_reset_recovers(playground):
    playground.learning_rate = 1.0
    playground.beta = 100.0
    for _ in range(30):
        asked(playground, do="step")
        if playground.message:
            break
    words = playground.message
    assert "diverged by step" in words and "Lower the learning rate, then press reset" in words
    assert playground.status == "stopped" and len(words) < 300
    asked(playground, do="step")
    assert "diverged by step" in playground.message  # nothing but a reset helps
    playground.learning_rate = 1e-3
    asked(playground, do="reset")
    assert playground.message == ""


def test_a_loss_that_is_not_finite_is_divergence_though_the_model_is(playground, monkeypatch):
    terms = {"reconstruction": math.nan, "kl": 1.0}
    monkeypatch.setattr(playground.training["VRRAE"], "advance", lambda num_steps: terms)
    asked(playground, do="step")
    assert "the VRRAE has diverged by step 1" in playground.message


def test_start_without_an_event_loop_names_step(playground):
    with pytest.raises(RuntimeError, match="no event loop is running here.*step"):
        playground.start()
    playground.running = True
    assert "step(n)" in playground.message and not playground.running


def test_what_is_watched_of_an_own_data_set_is_not_trained_on():
    x = vl.data.digits("train", 52).x
    data = presets.race_data(vl.data.Dataset("own", x, np.arange(52)), KEY)
    np.testing.assert_array_equal(data.watched.x, x[::5])
    np.testing.assert_array_equal(data.watched.labels, np.arange(52)[::5])
    np.testing.assert_array_equal(data.x, np.delete(x, np.s_[::5], axis=0))


def nowhere(*arguments, **named):
    raise vl.data.DataUnavailableError("not here")


def test_mnist_is_the_whole_set_only_where_it_is_and_its_title_says_so(monkeypatch):
    monkeypatch.setattr(presets, "load", nowhere)
    data = presets.race_data("mnist", KEY)
    assert data.words == "MNIST, 1,600 of the 2,000 images that come with the package to train on"
    sample = vl.data.mnist_sample()
    np.testing.assert_array_equal(data.x, sample.x[:1600])
    np.testing.assert_array_equal(data.watched.x, sample.x[1600:1760])

    def here(name, split, n=None, **named):
        return vl.data.Dataset(f"{name}_{split}", np.zeros((n or 70, 28, 28, 1), np.uint8))

    monkeypatch.setattr(presets, "load", here)
    assert presets.race_data("mnist", KEY).words == "MNIST, 70 images to train on"


def test_the_models_can_be_taken_out(playground):
    playground.step(2)
    model = playground.models["VRRAE"]
    playground.step(2)  # would take over the buffers
    frozen = vl.freeze_basis(model, vl.data.digits("train", 100).x)
    assert frozen.encode(vl.data.digits("test", 5).x).mean.shape == (5, 8)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"data": "faces"}, "data = 'faces': use 'digits', 'bumps', 'mnist' or a Dataset"),
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


# -------------------------------------------------------------------------------------------------- the presets


@pytest.fixture(scope="module")
def told():
    """A function that plays a preset as a person would: the playground, and how many lamps are on at the end."""
    playgrounds = {}

    def play(name, data, seed, speed=20):
        if data not in playgrounds:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(presets, "load", nowhere)  # the same images of MNIST on every machine
                playgrounds[data] = make(data=data)
        playground = playgrounds[data]
        playground.seed, playground.speed = seed, speed
        playground.preset = ""
        playground.preset = name
        preset = presets.PRESETS[data][name]
        assert playground._presets[name] == [preset.words, preset.steps]
        playground.step(preset.steps)
        assert playground.message == "" and playground.preset == name
        assert last(playground, "preset") == list(playground._presets).index(name) + 1
        return playground, last(playground, "awake").sum(axis=1).tolist()

    yield play
    for playground in playgrounds.values():
        playground.close()


DATA_AND_SEED = pytest.mark.parametrize(
    "data, seed", [("digits", 0), ("digits", 1), ("digits", 2), ("bumps", 0), ("mnist", 0)]
)


def errors(playground):
    """Mean squared error of each model on the images that are watched."""
    x = playground._data.watched.x
    return [float(((training.look(x).x_hat - x) ** 2).mean()) for training in playground.training.values()]


@DATA_AND_SEED
def test_stay_awake(told, data, seed):
    playground, awake = told("stay awake", data, seed)
    assert awake == 2 * [playground._data.rank]
    x = playground._data.watched.x
    assert max(errors(playground)) < ((x - x.mean(axis=0)) ** 2).mean() / 2


@DATA_AND_SEED
def test_the_vae_collapses(told, data, seed):
    playground, (vae, vrrae) = told("make the VAE collapse", data, seed)
    assert vae <= 0.75 * playground._data.rank and vae < vrrae


@DATA_AND_SEED
def test_beta_too_large(told, data, seed):
    playground, awake = told("β too large", data, seed)
    assert awake == [0, 0]
    x = playground._data.watched.x
    for training in playground.training.values():
        assert training.look(x).x_hat.std(axis=0).max() < 0.15 * x.std(axis=0).max()


@DATA_AND_SEED
def test_one_seed_two_betas(told, data, seed):
    playground, (small, large) = told("one seed, two β", data, seed)
    assert small == playground._data.rank > large
    assert errors(playground)[0] < errors(playground)[1]
    playground.pair, playground.changed = ["vae", "vrrae"], {}
    assert playground.preset == ""  # it promises nothing of these


@DATA_AND_SEED
def test_near_tied_singular_values(told, data, seed):
    playground, _ = told("near-tied singular values", data, seed, speed=5)
    frames_of_it = frames(playground)["spectrum"][:, 1, : playground._data.rank].astype(float)
    assert (frames_of_it[1:, 1:] / frames_of_it[1:, :-1]).max() > 0.97
    after = errors(playground)[1]
    playground.reset()
    assert after < 0.5 * errors(playground)[1]


@DATA_AND_SEED
def test_rank_too_small_until_it_is_raised(told, data, seed):
    playground, _ = told("rank too small", data, seed)
    before = errors(playground)
    assert before[1] > 1.3 * before[0]
    playground.rank = playground._data.rank
    playground.step(300)
    assert errors(playground)[1] < 0.8 * before[1]
    assert playground.preset == "rank too small"  # its words go on to say so


def test_no_preset_is_offered_for_a_data_set_of_ones_own():
    other = make(data=vl.data.Dataset("own", vl.data.digits("train", 60).x))
    assert other._presets == {} and other.beta == presets.START.beta
    other.close()
