"""Sliders over the coefficients of one trained model or two, with the decoded image, and images to encode."""

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import ipywidgets
import jax
import numpy as np

from vrrae_lab.checks import check_at_least
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.models import Autoencoder, check_frozen
from vrrae_lab.widgets.coefficient_panel import CoefficientPanel
from vrrae_lab.widgets.coefficients import Coefficients, State
from vrrae_lab.widgets.error_line import ErrorLine
from vrrae_lab.widgets.image_source import ImageSource, Source
from vrrae_lab.widgets.side_by_side import SideBySide

MOST_UNDONE = 100
PLAY_STEPS, PLAY_MILLISECONDS = 60, 100  # of one swing to and fro
PLAY_REACH = 2.0  # in spreads


class Snapshot(NamedTuple):
    """All that undo brings back: what was encoded, and the state of each model."""

    source: Source | None
    states: tuple[State, ...]


class Explorer(ipywidgets.VBox):
    """What `explore` returns.

    Attributes:
        panels: one for each model, with its sliders and its picture.
        sliders: of the first model, the page that is shown; its noise, if any, is the last.
        noise: of the first model; None for a deterministic one.
        rank: the first model's slider of how many coefficients are decoded.
        image: what the first model decodes, a `picture`.
        caption: words that belong to it.
        source: where images to encode come from: a number, a file, a drawing.
        play: swings the coefficient that was moved last to and fro.
        message: errors are shown here, as a notebook would swallow them.
    """

    def __init__(self, models: Sequence[Coefficients], data: Dataset, num_sliders: int, fallback: bool) -> None:
        """Made by `explore`; draws, so that all is compiled before the first slider moves.

        Args:
            models: one or two.
            data: images to pick from.
            num_sliders: how many coefficients make a page.
            fallback: whether to do without canvases.
        """
        self.message = ErrorLine()
        titles = ["first model", "second model"] if len(models) > 1 else [""]
        self.panels = []
        for title, coefficients in zip(titles, models, strict=True):
            pictures = SideBySide(data.shape, data.value_range, fallback)
            panel = CoefficientPanel(coefficients, pictures, num_sliders, title, self._moved, self.message)
            self.panels.append(panel)
        first = self._swung = self.panels[0]
        self.noise, self.rank, self.image, self.caption = first.noise, first.rank, first.image, first.caption
        self.sliders = [*first.sliders, *([] if first.noise is None else [first.noise])]
        self.source = ImageSource(data, self._encode, self.message, fallback)
        self._key = jax.random.key(0)  # the same draws in every kernel
        self._past: list[Snapshot] = []
        self._step: Hashable = None
        self._now = self._start = Snapshot(None, tuple(panel.state for panel in self.panels))
        side_by_side = ipywidgets.HBox(self.panels, layout=ipywidgets.Layout(flex_flow="row wrap"))
        super().__init__([side_by_side, self._buttons(), self.message, self.source])
        for coefficients in models:  # one image alone is another program than the batches that were measured
            coefficients.encode(np.zeros(data.shape, np.float32))
        self._show(self._start)

    def reset(self) -> None:
        """Put everything back to where it started; this too can be undone."""
        if self.source.pad is not None:
            self.source.pad.picture = ""
        self._go(self._start)

    def random(self) -> None:
        """Draw every coefficient from the standard normal distribution, in spreads."""
        self._key, key = jax.random.split(self._key)
        longest = max(len(panel.coefficients) for panel in self.panels)
        draw = np.asarray(jax.random.normal(key, (longest,)), float)
        self._go(self._at(None, [draw[: len(panel.coefficients)] for panel in self.panels]))

    def undo(self) -> None:
        """Go back by one step; all moves of one slider in a row are one step."""
        if self._past:
            self._show(self._past[-1])
            self._past.pop()
            self._step = None
            self._undo.disabled = not self._past

    def _buttons(self) -> ipywidgets.HBox:
        def button(name: str, tooltip: str, action: Any) -> ipywidgets.Button:
            made = ipywidgets.Button(description=name, tooltip=tooltip, layout={"width": "90px"})
            made.on_click(self.message.watch(lambda _: action()))
            return made

        self._undo = button("undo", "back to before the last step", self.undo)
        self._undo.disabled = True
        self.play = ipywidgets.Play(max=PLAY_STEPS - 1, interval=PLAY_MILLISECONDS, show_repeat=False)
        self.play.set_trait("repeat" if self.play.has_trait("repeat") else "_repeat", True)  # 7 has the second name
        self.play.observe(self.message.watch(lambda change: self._swing(change.new)), names="value")
        self._playing = ipywidgets.HTML()
        reset = button("reset", "everything back to where it started", self.reset)
        random = button("random", "every coefficient from the standard normal, in spreads", self.random)
        return ipywidgets.HBox(
            [reset, random, self._undo, self._playing, self.play], layout=ipywidgets.Layout(flex_flow="row wrap")
        )

    def _swing(self, time: int) -> None:
        if time:  # stopping puts the time to 0, and the coefficient should stay where it is
            self._swung.move(self._swung.active, PLAY_REACH * math.sin(2 * math.pi * time / PLAY_STEPS))

    def _moved(self, panel: CoefficientPanel, state: State, what: Hashable) -> None:
        number = self.panels.index(panel)
        self._swung = panel
        states = (*self._now.states[:number], state, *self._now.states[number + 1 :])
        self._go(self._now._replace(states=states), (number, what))

    def _encode(self, source: Source) -> None:
        self._go(self._at(source, [panel.coefficients.encode(source.x) for panel in self.panels]))

    def _at(self, source: Source | None, positions: Sequence[np.ndarray]) -> Snapshot:
        """These positions, at the rank and the noise of now."""
        pairs = zip(self._now.states, positions, strict=True)
        return Snapshot(source, tuple(state._replace(position=position) for state, position in pairs))

    def _go(self, snapshot: Snapshot, step: Hashable = None) -> None:
        """Show something else, to be undone as one with what was shown before in the same step."""
        before = self._now
        self._show(snapshot)
        if step is None or step != self._step:
            self._past = [*self._past, before][-MOST_UNDONE:]
        self._step = step
        self._undo.disabled = False

    def _show(self, snapshot: Snapshot) -> None:
        """Decode first: if that fails, nothing has changed."""
        pairs = list(zip(self.panels, snapshot.states, strict=True))
        decoded = [panel.coefficients.decode(state) for panel, state in pairs]
        for (panel, state), image in zip(pairs, decoded, strict=True):
            panel.show(state, image, snapshot.source)
        self._now = snapshot
        self._playing.value = f"play {self._swung.coefficients.name(self._swung.active)}{self._whose()}"

    def _whose(self) -> str:
        return "" if len(self.panels) == 1 else f" of the {self._swung.title}"


def explore(
    model: Autoencoder,
    data: Dataset,
    *,
    other: Autoencoder | None = None,
    num_sliders: int = 8,
    fallback: bool = False,
) -> Explorer:
    """Sliders over a model's coefficients, and over those of an image once it is encoded.

    The middle of each slider is the mean of that coefficient over the data, and one unit is its standard deviation,
    its *spread*. The sliders come in pages, by falling spread. The rank is how many coefficients are decoded, in that
    order; the others are held at their mean. The slider of noise adds so much of the posterior's standard deviation,
    averaged over the data, times one draw that stays the same while the sliders move.

    An image of the data, a PNG or JPEG, or a drawing is encoded to its posterior mean, which the sliders then change.

    Args:
        model: a frozen model.
        data: the training data, for the means, the spreads and the range of colours.
        other: a second frozen model, to be shown beside the first; both get the same images.
        num_sliders: how many coefficients make a page.
        fallback: whether to do without canvases, for pages where these do not appear: the pictures are PNGs then, and
            there is no pad to draw on. So it is anyway where anywidget is not installed.

    Raises:
        ValueError: if a model is not frozen, has diverged or takes other images, or `num_sliders` is below 1.
    """
    check_at_least(1, "num_sliders", num_sliders)
    models = [model] if other is None else [model, other]
    for each in models:
        check_frozen(each)
    return Explorer([Coefficients.of(each, data) for each in models], data, num_sliders, fallback)
