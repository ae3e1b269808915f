"""Two models in training beside each other, steered and watched while they learn."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import traitlets
from jaxtyping import Array, Key

from vrrae_lab import environment, metrics
from vrrae_lab.checks import check_at_least, check_key, check_kind, check_number
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.interrupts import deferred_interrupt
from vrrae_lab.models import Autoencoder
from vrrae_lab.train import one_blas_thread
from vrrae_lab.widgets.card import MOST_CLASSES
from vrrae_lab.widgets.live_training import LiveTraining, Look, Settings, dense
from vrrae_lab.widgets.presets import START, RaceData, race_data
from vrrae_lab.widgets.race import Race, Recording, described, frame_type

NAMES = {
    "ae": ("AE", "ae"),
    "vae": ("VAE", "vae"),
    "vae_identity": ("VAE with f = I", "vae"),
    "rrae": ("RRAE", "rrae"),
    "vrrae": ("VRRAE", "vrrae"),
    "rrae_vae": ("RRAE + VAE", "rrae"),
}
WITH_SVD = ("rrae", "vrrae", "rrae_vae")
BATCH_SIZE = 64
NUM_SHOWN = 8  # images that are decoded
MOST_UPDATES = 20  # of a frame, so that no button waits for long
MOST_FRAMES = 1201  # then every second one goes: odd, so that the newest stays
MOST_SAVED = 40  # in the state of the widget
PAUSE = 0.01  # seconds between two frames, in which the kernel handles what the page has sent
SHORTEST = 1 / 30  # seconds of a frame
LIMITS = {"beta": (0.0, 1e4), "learning_rate": (1e-7, 1.0), "rank": (1, 64), "noise": (0.0, 10.0)}


class Diverged(RuntimeError):
    """The numbers of a model are no longer finite."""


class Playground(Race):
    r"""What `playground` returns. What is set here counts from the next update on.

    Attributes:
        beta: weight of the KL divergence.
        learning_rate: of AdaBelief.
        rank: singular directions that a model with an SVD keeps.
        noise: factor on $s$ where training draws from the posterior.
        speed: updates between two frames, 1 to 20.
        seed: of the initial weights, the order of the images and the noise; a new one starts anew.
        pair: names of the two constructors; another starts anew.
        changed: of the second model, settings that differ from these: {"beta": 1.0}, say.
        preset: the name of a setting worth seeing; choosing one starts anew.
        running: whether the models are being trained.
        steps: updates made so far.
        status: what is going on, in words.
        training: the two models in training, by name.
    """

    beta = traitlets.Float().tag(sync=True)
    learning_rate = traitlets.Float().tag(sync=True)
    rank = traitlets.Int().tag(sync=True)
    noise = traitlets.Float().tag(sync=True)
    speed = traitlets.Int(5, min=1, max=MOST_UPDATES).tag(sync=True)
    seed = traitlets.Int(0, min=0).tag(sync=True)
    pair = traitlets.List(traitlets.Enum(list(NAMES)), minlen=2, maxlen=2).tag(sync=True)
    changed = traitlets.Dict().tag(sync=True)
    preset = traitlets.Unicode().tag(sync=True)
    running = traitlets.Bool().tag(sync=True)
    steps = traitlets.Int().tag(sync=True)
    status = traitlets.Unicode().tag(sync=True)
    _presets = traitlets.Dict().tag(sync=True)

    def __init__(self, data: RaceData, pair: Sequence[str], changed: Mapping[str, float], key: Key[Array, ""]) -> None:
        """Made by `playground`; shows the models as they are before their first update."""
        self._data, self._key = data, key
        self._task: asyncio.Task[None] | None = None
        self._until: int | None = None
        self._kept: list[bytes] = []
        self._before: list[np.ndarray] = []
        self._generation, self._compiled, self._quiet = 0, False, False
        self._chosen = _one_of_each(data.watched)
        start = next(iter(data.presets.values())).settings if data.presets else START
        self._header = self._describe(pair, 0)
        frames = np.zeros(0, frame_type(self._header))
        images, (_, labels) = _bytes(data.watched.x[self._chosen], data.watched), _classes(data.watched)
        self._empty = Recording(self._header, frames, images, labels.astype(np.float32))
        presets = {name: [preset.words, preset.steps] for name, preset in data.presets.items()}
        super().__init__(self._empty, **start._asdict(), pair=list(pair), changed=dict(changed), _presets=presets)
        self.observe(lambda _: self._shown(self._change), [*Settings._fields, "changed"])
        self.observe(lambda _: self._shown(self._start_anew), ["seed", "pair"])
        self.observe(lambda _: self._shown(self._set_preset), "preset")
        self.observe(lambda change: self._shown(self.start if change.new else self.pause), "running")
        self.on_msg(lambda _, content, __: self._shown(lambda: self._answer(content)))
        self._start_anew()

    @property
    def models(self) -> dict[str, Autoencoder]:
        """The models as they are now, by name; call `freeze_basis` to explore one with an SVD."""
        return {name: live.model for name, live in self.training.items()}

    def start(self) -> None:
        """Train until paused, in turns with whatever else the kernel does.

        Raises:
            RuntimeError: where no event loop is running, as in a plain script.
        """
        if self._task is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.running = False
            raise RuntimeError("no event loop is running here, as one does in a notebook: call step(n)") from None
        self.message = ""
        self._task = loop.create_task(self._run())
        self.running = True

    def pause(self) -> None:
        """Stop after the last frame; `start` goes on from there."""
        self._rest("paused")

    def step(self, num_updates: int = 1) -> None:
        """Make some updates of both models at once, with a frame after every `speed` of them and after the last.

        Args:
            num_updates: of each model.

        Raises:
            ValueError: if that is below 1.
            Diverged: if a model has diverged.
            KeyboardInterrupt: after a frame, if one was asked for meanwhile.
        """
        check_at_least(1, "num_updates", num_updates)
        self.pause()
        self.message = ""
        for done in range(0, num_updates, self.speed):
            self._advance(min(self.speed, num_updates - done))
        self.status = "paused"
        if num_updates > self.speed:
            self._save()

    def reset(self) -> None:
        """Back to before the first update: the same weights, order of the images and noise. The settings stay."""
        self.pause()
        for live in self.training.values():
            live.reset()
        self._restart()

    def record(self) -> Recording:
        """The race so far, to be saved or played again."""
        frames = np.frombuffer(b"".join(self._kept), frame_type(self._header))
        return replace(self._empty, header=self._header, frames=frames)

    def html(self) -> str:
        """Its race so far, to be replayed without a kernel."""
        replay = Race(self.record())
        try:
            return replay.html()
        finally:
            replay.close()

    def close(self) -> None:
        """Stop training, and close as any widget does."""
        self.pause()
        super().close()

    @traitlets.validate(*LIMITS, "changed")
    def _checked(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        for setting, number in value.items() if name == "changed" else [(name, value)]:
            if setting not in LIMITS:
                raise ValueError(f"changed = {value}: a setting is one of {', '.join(LIMITS)}")
            check_number(setting, number)
            low, high = LIMITS[setting]
            high = self._data.rank if setting == "rank" else high
            if not low <= number <= high:
                raise ValueError(f"{setting} = {number}: use {low:g} to {high:g}")
        return value

    async def _run(self) -> None:
        times: deque[float] = deque(maxlen=20)
        try:
            while self._until is None or self.steps < self._until:
                times.append(time.perf_counter())
                self._advance(self.speed)
                pace = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
                self.status = f"training, {pace:.0f} frames per second" if pace else "training"
                await asyncio.sleep(max(PAUSE, times[-1] + SHORTEST - time.perf_counter()))
            self._rest("paused")
        except KeyboardInterrupt:
            self._rest("interrupted")
        except Exception as error:
            self._complain(error)

    def _advance(self, num_updates: int) -> None:
        """Updates of both models, and a frame; an interrupt waits for its end."""
        if not self._compiled:
            self.status = "compiling, which takes a few seconds"
        with one_blas_thread(), deferred_interrupt() as interrupt:
            terms = [live.advance(num_updates) for live in self.training.values()]
            self._compiled = True
            self.steps += num_updates
            self._keep(terms)
        if interrupt.requested:
            raise KeyboardInterrupt

    def _keep(self, terms: Sequence[Mapping[str, float]]) -> None:
        """Look at the models, and send what is seen."""
        looks = [live.look(self._data.watched.x) for live in self.training.values()]
        for name, look, values in zip(self.training, looks, terms, strict=True):
            if not (look.finite and np.isfinite(list(values.values())).all()):
                raise Diverged(
                    f"the {name} has diverged by step {self.steps}: its numbers are no longer finite. "
                    "Lower the learning rate, then press reset"
                )
        looks = [
            look._replace(mean=_aligned(look.mean, before)) for look, before in zip(looks, self._before, strict=True)
        ]
        self._before = [look.mean for look in looks]
        self._kept.append(self._frame(looks, terms))
        self.send({"generation": self._generation, "first": len(self._kept) - 1}, [self._kept[-1]])
        if len(self._kept) == MOST_FRAMES:
            self._kept = self._kept[::2]
            self._generation += 1
            self.send({"generation": self._generation, "thinned": MOST_FRAMES})

    def _frame(self, looks: Sequence[Look], terms: Sequence[Mapping[str, float]]) -> bytes:
        watched = self._data.watched
        frame = np.zeros((), frame_type(self._header))
        frame["step"] = self.steps
        frame["preset"] = list(self._presets).index(self.preset) + 1 if self.preset in self._presets else 0
        frame["settings"] = self._settings()
        self._ranks = [settings.rank for settings in self._settings()]
        for name in ("kl", "deviation", "spectrum"):
            frame[name] = np.nan
        for i, (look, values) in enumerate(zip(looks, terms, strict=True)):
            kl = np.nan if look.kl is None else look.kl.sum()
            error = metrics.relative_error(watched.x, look.x_hat)
            frame["scores"][i] = error, kl, values.get("reconstruction", np.nan), values.get("kl", np.nan)
            frame["kept"][i], frame["awake"][i], frame["mean"][i] = (
                look.kept,
                metrics.active_units(look.mean),
                look.mean,
            )
            if look.kl is not None:
                frame["kl"][i], frame["deviation"][i] = look.kl, look.deviation
            count = min(len(look.spectrum), frame["spectrum"].shape[1])
            frame["spectrum"][i, :count] = look.spectrum[:count]
            frame["pixels"][i] = _bytes(look.x_hat[self._chosen], watched)
        return frame.tobytes()

    def _settings(self) -> list[Settings]:
        """Of both models."""
        first = Settings(self.beta, self.learning_rate, self.rank, self.noise)
        return [first, first._replace(**self.changed)]

    def _change(self) -> None:
        if self._quiet:
            return
        self._leave_preset()
        for live, settings in zip(self.training.values(), self._settings(), strict=True):
            live.change(settings)
        if self.steps == 0:
            self._restart()
        elif self._task is None and self._ranks != [settings.rank for settings in self._settings()]:
            self._keep([{}, {}])  # a smaller rank is seen at once

    def _start_anew(self) -> None:
        """Models of this pair and seed, before their first update; on they go if they were being trained."""
        if self._quiet:
            return
        self._leave_preset()
        going_on = self._task is not None
        self.pause()
        self._header = self._race = described(self._describe(self.pair, self.seed))
        self._source = f"{self._header['source']} · vrrae_lab {self._header['versions']['vrrae_lab']}"
        model_key, training_key = jax.random.split(jax.random.fold_in(self._key, self.seed))
        data, self.training = self._data, {}
        for name, words, settings in zip(self.pair, self._header["names"], self._settings(), strict=True):
            sizes = (
                {"latent_size": data.latent_size, "rank": data.rank} if name in WITH_SVD else {"latent_size": data.rank}
            )
            model = dense(name, {"shape": data.watched.shape, **sizes}, data.width, key=model_key)
            batch_size = min(BATCH_SIZE, len(data.x))
            self.training[words] = LiveTraining(model, data.x, settings, batch_size=batch_size, key=training_key)
        self._restart()
        if going_on:
            self.start()

    def _restart(self) -> None:
        """The first frame of a new tape."""
        self.message, self.frame, self.steps = "", -1, 0
        self._kept, self._generation = [], self._generation + 1
        self._before = [np.zeros(1), np.zeros(1)]
        self._keep([{}, {}])
        self._save()
        self.status = "ready"

    def _set_preset(self) -> None:
        preset = self._data.presets.get(self.preset)
        if preset is None:
            return
        self.pause()
        self._quiet = True  # all at once
        try:
            for name, value in preset.settings._asdict().items():
                setattr(self, name, value)
            self.changed, self.pair = dict(preset.changed), list(preset.pair)
        finally:
            self._quiet = False
        self._start_anew()

    def _leave_preset(self) -> None:
        """What it promises holds of its own models only."""
        preset = self._data.presets.get(self.preset)
        if preset and (tuple(self.pair), self.changed) != (preset.pair, preset.changed):
            self.preset = ""

    def _describe(self, pair: Sequence[str], seed: int) -> dict[str, Any]:
        data = self._data
        names = [NAMES[name][0] for name in pair]
        names[1] += " 2" if names[0] == names[1] else ""
        return {
            "source": f"{' and '.join(names)} · {data.words} · seed {seed}",
            "data": data.words,
            "seed": seed,
            "names": names,
            "families": [NAMES[name][1] for name in pair],
            "has_svd": [name in WITH_SVD for name in pair],
            "rank": data.rank,
            "directions": 2 * data.rank,
            "watched": len(data.watched),
            "shown": len(self._chosen),
            "shape": list(data.watched.shape),
            "classes": 0 < len(_classes(data.watched)[0]) <= MOST_CLASSES,
            "presets": list(data.presets),
            "versions": environment.versions(),
        }

    def _answer(self, content: dict[str, Any]) -> None:
        """What the page asks for."""
        if content["do"] == "frames":
            first = content["have"] if content["generation"] == self._generation else 0
            self.send({"generation": self._generation, "first": first}, [b"".join(self._kept[first:])])
        elif content["do"] == "try":
            self.preset = ""  # the one that was chosen last may be chosen again
            self.preset = content["name"]
            self._until = self._data.presets[content["name"]].steps
            self.start()
        elif content["do"] == "step":
            self.step()
        else:
            self.reset()

    def _rest(self, why: str) -> None:
        task, self._task, self._until = self._task, None, None
        self.running = False
        if task is not None:
            task.cancel()
            self.status = why
            self._save()

    def _save(self) -> None:
        """Some of the frames become part of the state, for a page that is opened without a kernel."""
        count = min(len(self._kept), MOST_SAVED)
        places = np.round(np.linspace(0, len(self._kept) - 1, count)).astype(int)
        self._frames = b"".join(self._kept[place] for place in places)

    def _shown(self, action: Callable[[], None]) -> None:
        """Do what a control asks for; whatever goes wrong, the person at it must see it."""
        try:
            action()
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        self._rest("stopped")
        self.status = "stopped"
        self.message = (
            str(error)
            if isinstance(error, Diverged | RuntimeError | ValueError)
            else f"{type(error).__name__}: {error}"
        )


def _aligned(mean: np.ndarray, before: np.ndarray) -> np.ndarray:
    """With the signs of the frame before: an SVD leaves them open, and what is seen should not flip."""
    return mean * np.where((mean * before).sum(axis=0) < 0, -1, 1)


def _classes(data: Dataset) -> tuple[list[str], np.ndarray]:
    return data.classes or ([], np.zeros(len(data)))


def _one_of_each(data: Dataset) -> np.ndarray:
    """Places of the images that are decoded: of different classes as far as there are."""
    first = np.unique(data.label_numbers, return_index=True)[1][:NUM_SHOWN]
    rest = np.setdiff1d(np.arange(len(data)), first)
    return np.concatenate([first, rest])[:NUM_SHOWN]


def _bytes(x: np.ndarray, data: Dataset) -> np.ndarray:
    """Images as bytes, 0 and 255 being the darkest and the brightest value of the data."""
    low, high = data.value_range
    return np.round(255 * np.clip((x - low) / (high - low or 1.0), 0, 1)).astype(np.uint8)


def playground(
    data: str | Dataset = "digits",
    *,
    models: tuple[str, str] = ("vae", "vrrae"),
    changed: Mapping[str, float] | None = None,
    key: Key[Array, ""],
) -> Playground:
    """Train two models beside each other, and change β, the learning rate, the rank and the noise while they learn.

    The loss is `losses.Variational`, for a deterministic model `losses.Reconstruction`. What is shown and counted is of
    images that are not trained on. The nets have one hidden layer: not the papers' convolutions, but many updates a
    second.

    Args:
        data: "digits", those of scikit-learn; "bumps", of 16 by 16 pixels; "mnist", all of it if it is on this machine
            and otherwise 1,600 of the 2,000 images that come with the package, as the title says; or a data set, of
            which every fifth image is watched and not trained on.
        models: names of constructors: ae, vae, vae_identity, rrae, vrrae or rrae_vae. Those without an SVD get as many
            coefficients, 8 (MNIST 16), as the others have at most. One model twice needs something in `changed`.
        changed: settings of the second model that differ from those of the first: "beta", "learning_rate", "rank" or
            "noise".
        key: initial weights, order of the data, noise; and the centres of the bumps that are watched.

    Raises:
        ValueError: if the data, a model or a setting is unknown, both models are the same with nothing changed, or a
            data set has fewer than 40 images, or some that are not finite.

    Example:
        >>> vl.widgets.playground("digits", models=("vrrae", "vrrae"), changed={"beta": 1.0}, key=jax.random.key(0))
    """
    check_key(key)
    check_kind("models", models, tuple | list, "name two constructors")
    check_kind("changed", changed, Mapping | None, 'give settings of the second model, such as {"beta": 1.0}')
    if len(models) != 2 or (models[0] == models[1] and not changed):
        raise ValueError(f"models = {models}: name two different ones, or say in changed what differs")
    for name in models:
        if name not in NAMES:
            raise ValueError(f"models = {models}: {name!r} is none of {', '.join(NAMES)}")
    return Playground(race_data(data, key), models, changed or {}, key)
