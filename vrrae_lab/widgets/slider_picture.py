"""Sliders beside a picture that follows them: the shell around a pure function that most explorers are."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import ipywidgets
import traitlets

from vrrae_lab.checks import check_kind
from vrrae_lab.widgets.error_line import ErrorLine

PICTURE_SIZE = 320


class View(NamedTuple):
    """What the sliders' values look like: a picture, and words for the line below the sliders."""

    png: bytes
    caption: str = ""


class SliderPicture(ipywidgets.HBox):
    """A picture and its sliders.

    Attributes:
        sliders: in the order of the arguments of what draws.
        image: the picture as PNG.
        caption: words that belong to the picture.
        message: errors are shown here, as a notebook would swallow them.
    """

    def __init__(
        self,
        render: Callable[..., View],
        sliders: Sequence[
            ipywidgets.FloatSlider | ipywidgets.IntSlider | ipywidgets.SelectionSlider | ipywidgets.ToggleButtons
        ],
        *,
        width: int = PICTURE_SIZE,
        height: int = PICTURE_SIZE,
        format: str = "png",
    ) -> None:
        """Draws once at the sliders' starting values.

        Args:
            render: the values of the sliders, in their order, to what is shown.
            sliders: at least one; their values now are what `reset` goes back to.
            width: of the picture on the page, in pixels.
            height: likewise.
            format: png, or svg+xml for a drawing, which is wide and so stands above the sliders.

        Raises:
            ValueError: if there are no sliders.
        """
        check_kind("render", render, Callable, "give a function of the sliders' values")
        if not sliders:
            raise ValueError("there are no sliders: give one or more")
        self._render = render
        self.sliders = list(sliders)
        self._start = [slider.value for slider in self.sliders]
        layout = {"min_width": f"{width}px", "align_self": "flex-start"}  # else as high as the controls beside it
        self.image = ipywidgets.Image(format=format, width=width, height=height, layout=layout)
        self.caption, self.message = ipywidgets.HTML(), ErrorLine()
        draw = self.message.watch(self._draw)
        reset = ipywidgets.Button(description="reset", tooltip="all sliders back to where they started")
        reset.on_click(lambda _: self.reset())
        for slider in self.sliders:
            slider.observe(lambda _: draw(), names="value")
        super().__init__([self.image, ipywidgets.VBox([*self.sliders, reset, self.caption, self.message])])
        if format == "svg+xml":
            self.layout.flex_flow = "column"
        draw()

    def reset(self) -> None:
        """Put every slider back to where it started."""
        for slider, value in zip(self.sliders, self._start, strict=True):
            slider.value = value

    def _draw(self) -> None:
        self.image.value, self.caption.value = self._render(*(slider.value for slider in self.sliders))


class _FloatSlider(ipywidgets.FloatSlider):
    """Does not tell the page what the page has just said: that message would come before the picture."""

    value = traitlets.CFloat().tag(sync=True, echo_update=False)


class _IntSlider(ipywidgets.IntSlider):
    """Likewise."""

    value = traitlets.CInt().tag(sync=True, echo_update=False)


def float_slider(
    name: str, least: float, most: float, *, value: float = 0.0, step: float = 0.05
) -> ipywidgets.FloatSlider:
    """A slider for a number, in the lab's style."""
    return _FloatSlider(
        value=value, min=least, max=most, step=step, description=name, readout_format=".2f", **slider_style()
    )


def int_slider(name: str, least: int, most: int, *, value: int) -> ipywidgets.IntSlider:
    """A slider for a whole number, in the lab's style."""
    return _IntSlider(value=value, min=least, max=most, description=name, **slider_style())


def slider_style() -> dict[str, object]:
    """What the lab's sliders have in common."""
    return {
        "style": {"description_width": "95px"},
        "layout": ipywidgets.Layout(width="400px"),
        "continuous_update": True,
    }
