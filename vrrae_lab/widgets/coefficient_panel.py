"""One model in an explorer: its decoded image, a page of sliders, the rank, the noise, and bars."""

from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets
import numpy as np

from vrrae_lab import metrics
from vrrae_lab.widgets.coefficient_bars import bars
from vrrae_lab.widgets.coefficients import Coefficients, Image, State
from vrrae_lab.widgets.error_line import ErrorLine
from vrrae_lab.widgets.image_source import Source
from vrrae_lab.widgets.side_by_side import SideBySide
from vrrae_lab.widgets.slider_picture import float_slider, int_slider

SLIDER_LIMIT, STEP = 3.0, 0.05  # in spreads


class CoefficientPanel(ipywidgets.Box):
    """The controls of one model and what it decodes.

    Attributes:
        coefficients: of the model.
        title: the model's name; empty where there is only one.
        state: what is shown.
        active: the place of the coefficient that was moved last.
        sliders: of the coefficients on this page.
        rank: the slider of how many coefficients are decoded.
        noise: the slider of the posterior's noise; None for a deterministic model.
        image: the decoded image, a `picture`.
        original: the encoded image, if there is one, at its left.
        caption: rank and error in words.
        bars: what each coefficient carries.
        previous: the button to the page before.
        following: the button to the next page.
    """

    def __init__(
        self,
        coefficients: Coefficients,
        pictures: SideBySide,
        num_sliders: int,
        title: str,
        moved: Callable[["CoefficientPanel", State, int | str], None],
        message: ErrorLine,
    ) -> None:
        """Made by the explorer.

        Args:
            coefficients: of the model.
            pictures: for what is decoded and what was encoded.
            num_sliders: how many coefficients make a page.
            title: above the pictures; empty for none.
            moved: called with this panel, the state that the user asks for, and what was moved: the place of a
                coefficient, or the name of a control.
            message: shows what went wrong.
        """
        self.coefficients, self.title, self.state, self.active = coefficients, title, coefficients.start, 0
        self._moved, self._page = moved, 0
        self._controls: list[tuple[ipywidgets.Widget, Callable[[], float]]] = []
        size = min(num_sliders, len(coefficients))
        self.sliders = [float_slider("", -SLIDER_LIMIT, SLIDER_LIMIT, step=STEP) for _ in range(size)]
        self.rank = int_slider("rank", 1, len(coefficients), value=len(coefficients))
        self.noise = float_slider("noise", 0.0, 2.0, step=STEP) if coefficients.noise is not None else None
        self._pictures = pictures
        self.image, self.original = self._pictures.image, self._pictures.original
        self.caption, self.bars, self._pages = ipywidgets.HTML(), ipywidgets.HTML(), ipywidgets.HTML()
        self.previous = ipywidgets.Button(description="previous", tooltip="sliders of larger spread")
        self.following = ipywidgets.Button(description="next", tooltip="sliders of smaller spread")
        self._connect(message)
        paging = [ipywidgets.HBox([self.previous, self.following, self._pages])] if size < len(coefficients) else []
        noise = [] if self.noise is None else [self.noise]
        controls = ipywidgets.VBox([*self.sliders, *paging, self.rank, *noise, self.caption, self.bars])
        head = [ipywidgets.HTML(f"<b>{title}</b>")] if title else []
        super().__init__(
            [ipywidgets.VBox([*head, self._pictures]), controls],
            layout=ipywidgets.Layout(display="flex", flex_flow="column" if title else "row wrap"),
        )

    def show(self, state: State, decoded: Image, source: Source | None) -> None:
        """Put the controls, without asking for anything, and the pictures where they belong.

        Args:
            state: positions beyond the sliders' limits are shown at the limit.
            decoded: the image of this state.
            source: what was encoded, or None.
        """
        self.state = state
        self._pictures.show(decoded, source)  # first, as it is what the eye waits for
        self._set_controls()
        self.caption.value = self._words(decoded, source)
        self.bars.value = bars(self.coefficients, self.state.rank, self.active)

    def turn(self, by: int) -> None:
        """Show other sliders: so many pages further, as far as there are any."""
        last = (len(self.coefficients) - 1) // len(self.sliders)
        self._page = min(max(self._page + by, 0), last)
        self._set_controls()

    def move(self, place: int, position: float) -> None:
        """Ask for another position of one coefficient."""
        positions = self.state.position.copy()
        positions[place] = position
        self.active = place
        self._moved(self, self.state._replace(position=positions), place)

    def _connect(self, message: ErrorLine) -> None:
        for number, slider in enumerate(self.sliders):
            self._follow(slider, message, partial(self._shown, number), partial(self._slid, number))
        self._follow(self.rank, message, lambda: self.state.rank, lambda rank: self._set(rank=int(rank)))
        if self.noise is not None:
            self._follow(self.noise, message, lambda: self.state.noise, lambda noise: self._set(noise=noise))
        self.previous.on_click(message.watch(lambda _: self.turn(-1)))
        self.following.on_click(message.watch(lambda _: self.turn(1)))

    def _follow(
        self,
        control: ipywidgets.Widget,
        message: ErrorLine,
        shown: Callable[[], float],
        ask: Callable[[float], None],
    ) -> None:
        """Ask for the value of a control, unless it is what the state has.

        The page moves a slider to the nearest of its steps and reports that as a change, which it is not.
        """

        def changed(_: object) -> None:
            if abs(control.value - shown()) > control.step / 2 + 1e-9:
                ask(control.value)

        control.observe(message.watch(changed), names="value")
        self._controls.append((control, shown))

    def _shown(self, number: int) -> float:
        """Where a slider of this page belongs."""
        place = self._page * len(self.sliders) + number
        position = self.state.position[place] if place < len(self.coefficients) else 0.0
        return float(np.clip(position, -SLIDER_LIMIT, SLIDER_LIMIT))

    def _slid(self, number: int, position: float) -> None:
        self.move(self._page * len(self.sliders) + number, position)

    def _set(self, **changes: Any) -> None:
        (what,) = changes
        self._moved(self, self.state._replace(**changes), what)

    def _set_controls(self) -> None:
        first, total = self._page * len(self.sliders), len(self.coefficients)
        last = min(first + len(self.sliders), total)
        for place, slider in enumerate(self.sliders, first):
            slider.layout.display = None if place < total else "none"
            slider.disabled = place >= self.state.rank
            slider.description = self.coefficients.name(place) if place < total else ""
        for control, shown in self._controls:
            if abs(control.value - shown()) > control.step / 2:
                control.value = control.step * round(shown() / control.step)
        self._pages.value = f"{first + 1} to {last} of {total}, by falling spread"
        self.previous.disabled, self.following.disabled = first == 0, last == total

    def _words(self, decoded: Image, source: Source | None) -> str:
        words = f"rank {self.state.rank} of {len(self.coefficients)}"
        if source is not None and source.x.any():  # no error is relative to nothing
            words += f"; error {metrics.relative_error(source.x[None], decoded[None]):.1f} %"
        beyond = np.flatnonzero(np.abs(self.state.position[: self.state.rank]) > SLIDER_LIMIT)
        if len(beyond):
            named = ", ".join(f"{self.coefficients.order[i] + 1} at {self.state.position[i]:.2f}" for i in beyond[:4])
            more = f" and {len(beyond) - 4} more" if len(beyond) > 4 else ""
            words += f"<br>decoded exactly, though beyond the sliders: coefficient {named}{more}"
        return words
