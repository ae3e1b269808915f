"""The shell around two models in training: controls, pictures, and the turns it takes with the rest of the kernel."""

import asyncio
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar

import ipywidgets
import numpy as np

from vrrae_lab.checks import check_at_least
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.interrupts import deferred_interrupt
from vrrae_lab.models import Autoencoder
from vrrae_lab.training import one_blas_thread
from vrrae_lab.widgets import training_pictures
from vrrae_lab.widgets.error_line import ErrorLine
from vrrae_lab.widgets.live_training import LiveTraining, Settings
from vrrae_lab.widgets.scenarios import Scenario
from vrrae_lab.widgets.slider_picture import float_slider, int_slider, slider_style
from vrrae_lab.widgets.training_pictures import SHOWN, Curves

PAUSE = 0.01  # seconds between two frames, in which the kernel handles what the page has sent
MOST_UPDATES = 20  # of a frame, so that no button waits for long
TOOLTIPS = {
    "start": "train until paused",
    "pause": "stop after this frame",
    "step": "one update of both models",
    "reset": "back to the same start; the sliders stay where they are",
}
WIDTHS = {
    "curves": training_pictures.WIDE,
    "meter": training_pictures.WIDE,
    "plane": training_pictures.WIDE - training_pictures.NARROW,
    "spectrum": training_pictures.NARROW,
    "reconstructions": 400,
}
COLUMN = {"width": "400px"}
HEADINGS = {
    "curves": "What training minimises",
    "meter": "Collapse meter: filled bars are active coefficients, outlines have collapsed",
    "plane": "Test images in the two widest coefficients",
    "spectrum": "Spectrum (grey: cut off)",
}


class Diverged(RuntimeError):
    """The numbers of a model are no longer finite."""


class Playground(ipywidgets.HBox):
    """What `playground` returns.

    Attributes:
        training: the two models in training, by name.
        sliders: by name: "beta", "learning_rate", "rank" and "noise", which count from the next update on, and "speed",
            the number of updates between two frames.
        scenario: the list of settings worth seeing.
        buttons: by name: "start", "pause", "step", "reset".
        pictures: by name, each a PNG.
        status: what is going on.
        caption: the numbers of the last frame, in words.
        advice: what to look for in the scenario.
        message: errors are shown here, as a notebook would swallow them.
    """

    _last: ClassVar["weakref.ref[Playground] | None"] = None

    def __init__(
        self, training: Mapping[str, LiveTraining], watched: Dataset, scenarios: Mapping[str, Scenario]
    ) -> None:
        """Made by `playground`; draws the models as they are.

        Args:
            training: two models, before their first update.
            watched: the images in the pictures.
            scenarios: by name; none are offered if there are none.
        """
        self.training, self._watched, self._scenarios = dict(training), watched, dict(scenarios)
        self._task: asyncio.Task[None] | None = None
        self._compiled = False
        self.sliders = _sliders(next(iter(self.training.values())).settings)
        self.scenario = _choice(self._scenarios)
        actions = {"start": self.start, "pause": self.pause, "step": self.step, "reset": self.reset}
        self.buttons = {name: self._button(name, action) for name, action in actions.items()}
        self.pictures = {name: _picture(width) for name, width in WIDTHS.items()}
        self.status, self.caption, self.advice = (ipywidgets.HTML(layout=COLUMN) for _ in range(3))
        self.message = ErrorLine(layout=COLUMN)
        for name in ("beta", "learning_rate", "rank", "noise"):
            self.sliders[name].observe(lambda _: self._shown(self._change), names="value")
        self.scenario.observe(lambda _: self._shown(self._set_scene), names="value")
        super().__init__(self._columns(), layout={"flex_flow": "row wrap"})
        self._take_turn()
        self.reset()

    @property
    def running(self) -> bool:
        """Whether the models are being trained."""
        return self._task is not None

    @property
    def models(self) -> dict[str, Autoencoder]:
        """The models as they are now, by name; call `freeze_basis` to explore one with an SVD."""
        return {name: live.model for name, live in self.training.items()}

    def start(self) -> None:
        """Train until paused, in turns with whatever else the kernel does.

        Raises:
            RuntimeError: where no event loop is running, as in a plain script.
        """
        if self.running:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("no event loop is running here, as one does in a notebook: call step(n)") from None
        self._take_turn()
        self.message.value = ""
        self._task = loop.create_task(self._run())

    def pause(self) -> None:
        """Stop after the last frame; `start` goes on from there."""
        if self._task is not None:
            self._task.cancel()
        self._stop("paused")

    def step(self, num_updates: int = 1) -> None:
        """Make some updates of both models, then draw, all at once.

        Args:
            num_updates: of each model.

        Raises:
            ValueError: if that is below 1.
            Diverged: if a model has diverged.
            KeyboardInterrupt: after the updates, if one was asked for meanwhile.
        """
        check_at_least(1, "num_updates", num_updates)
        self.pause()
        self.message.value = ""
        self._frame(num_updates)
        self._say("paused")

    def reset(self) -> None:
        """Back to before the first update: the same weights, order of the images and noise. The sliders stay."""
        self.pause()
        for live in self.training.values():
            live.reset()
        self._curves = Curves(list(self.training))
        self.message.value = ""
        self._draw()
        self._say("ready: press start")

    def close(self) -> None:
        """Stop training, and close as any widget does."""
        self.pause()
        super().close()

    async def _run(self) -> None:
        times: deque[float] = deque(maxlen=10)
        try:
            while True:
                self._frame(self.sliders["speed"].value)
                times.append(time.perf_counter())
                pace = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
                self._say(f"training, {pace:.0f} frames a second" if pace else "training")
                await asyncio.sleep(PAUSE)
        except KeyboardInterrupt:
            self._stop("interrupted")
        except Exception as error:
            self._complain(error)

    def _frame(self, num_updates: int) -> None:
        """Updates of both models, and all pictures; an interrupt waits for its end."""
        if not self._compiled:
            self._say("compiling the updates of both models, which takes a few seconds")
        with one_blas_thread(), deferred_interrupt() as interrupt:
            terms = {name: live.advance(num_updates) for name, live in self.training.items()}
            self._compiled = True
            for name, values in terms.items():
                self._check(name, bool(np.isfinite(list(values.values())).all()))
            self._curves.note(self._step(), terms)
            self._draw()
        if interrupt.requested:
            raise KeyboardInterrupt

    def _draw(self) -> None:
        images = self._watched.x
        looks = {name: live.look(images, SHOWN) for name, live in self.training.items()}
        for name, look in looks.items():
            self._check(name, look.finite)
        self.pictures["curves"].value = self._curves.png()
        self.pictures["meter"].value = training_pictures.meters(looks)
        self.pictures["plane"].value = training_pictures.planes(looks, self._watched.label_numbers)
        self.pictures["spectrum"].value = training_pictures.spectra(looks)
        self.pictures["reconstructions"].value = training_pictures.reconstructions(images[:SHOWN], looks)
        self.caption.value = training_pictures.in_words(images[:SHOWN], looks)

    def _check(self, name: str, finite: bool) -> None:
        if not finite:
            raise Diverged(
                f"the {name} has diverged by step {self._step()}: its numbers are no longer finite. "
                "Lower the learning rate, then press reset"
            )

    def _change(self) -> None:
        for live in self.training.values():
            live.change(self._settings())
        if not self.running:
            self._draw()  # the rank is seen at once

    def _settings(self) -> Settings:
        return Settings(*(self.sliders[name].value for name in Settings._fields))

    def _set_scene(self) -> None:
        self.pause()
        scenario = self._scenarios.get(self.scenario.value)
        self.advice.value = f"{scenario.words} Look after {scenario.steps} updates." if scenario else ""
        if scenario:
            for name, value in scenario.settings._asdict().items():
                self.sliders[name].value = value
            self.reset()

    def _take_turn(self) -> None:
        """Pause the playground that was used last: the one of a cell run again would train on, unseen."""
        other = Playground._last and Playground._last()
        if other and other is not self:
            other.pause()
        Playground._last = weakref.ref(self)

    def _step(self) -> int:
        return max(live.step for live in self.training.values())

    def _stop(self, why: str) -> None:
        self._task = None
        self._say(why)

    def _say(self, what: str) -> None:
        self.status.value = f"step {self._step()}: {what}"

    def _shown(self, action: Callable[[], None]) -> None:
        """Do what a control asks for; whatever goes wrong, the person at it must see it."""
        try:
            action()
        except Exception as error:
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        self.pause()
        self._say("stopped")
        self.message.show(error)

    def _button(self, name: str, action: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name, tooltip=TOOLTIPS[name], layout={"width": "95px"})
        button.on_click(lambda _: self._shown(action))
        return button

    def _columns(self) -> list[ipywidgets.Widget]:
        below = _headed(", ".join(["Rows: test images", *self.training]), self.pictures["reconstructions"])
        choice = [self.scenario, self.advice] if self._scenarios else []
        buttons = ipywidgets.HBox(list(self.buttons.values()))
        controls = [buttons, *self.sliders.values(), *choice, self.status, self.caption, self.message, below]
        small = ipywidgets.HBox([_headed(HEADINGS[name], self.pictures[name]) for name in ("plane", "spectrum")])
        large = [_headed(HEADINGS[name], self.pictures[name]) for name in ("curves", "meter")]
        return [ipywidgets.VBox(controls), ipywidgets.VBox([*large, small])]


def _sliders(start: Settings) -> dict[str, ipywidgets.Widget]:
    def logarithmic(name: str, value: float, least: int, most: int) -> ipywidgets.FloatLogSlider:
        return ipywidgets.FloatLogSlider(value=value, min=least, max=most, step=0.1, description=name, **slider_style())

    return {
        "beta": logarithmic("β", start.beta, -3, 2),
        "learning_rate": logarithmic("learning rate", start.learning_rate, -5, 0),
        "rank": int_slider("rank", 1, start.rank, value=start.rank),
        "noise": float_slider("noise factor", 0.0, 2.0, value=start.noise),
        "speed": int_slider("steps/frame", 1, MOST_UPDATES, value=5),
    }


def _choice(scenarios: Mapping[str, Scenario]) -> ipywidgets.Dropdown:
    looks = {key: value for key, value in slider_style().items() if key != "continuous_update"}
    return ipywidgets.Dropdown(options=["choose one", *scenarios], description="scenario", **looks)


def _picture(width: int) -> ipywidgets.Image:
    return ipywidgets.Image(format="png", width=width, layout={"min_width": f"{width}px"})


def _headed(words: str, picture: ipywidgets.Image) -> ipywidgets.VBox:
    return ipywidgets.VBox([ipywidgets.HTML(f"<b>{words}</b>"), picture])
