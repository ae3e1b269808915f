"""A picture of a fixed size that follows a slider or a pointer: a canvas where anywidget is installed, else a PNG."""

from typing import TYPE_CHECKING

import ipywidgets
import numpy as np
from jaxtyping import UInt8

from vrrae_lab import figures

if TYPE_CHECKING:
    from vrrae_lab.widgets.pixel_canvas import PixelCanvas


class PngPicture(ipywidgets.Image):
    """What stands in for a `PixelCanvas`; its `value` is a PNG."""

    def __init__(self, shape: tuple[int, int], magnify: float) -> None:
        """White until the first `show`; the arguments are those of `picture`."""
        self._magnify = max(1, round(magnify))  # here, so that the page need not magnify
        height, width = (f"{magnify * side:g}px" for side in shape)
        blank = figures.png(np.full((1, 1, 3), 255, np.uint8))
        super().__init__(value=blank, format="png", layout={"height": height, "width": width, "min_width": width})

    def show(self, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        """Put another picture in its place."""
        self.value = figures.png(pixels, self._magnify)


def picture(
    shape: tuple[int, int], magnify: float, label: str, *, fallback: bool = False
) -> "PixelCanvas | PngPicture":
    """An empty picture with a method `show`, whose `value` changes with what is shown.

    Args:
        shape: height and width, in pixels.
        magnify: how many pixels of the page, to each side, one of these takes: a whole number, or less than 1.
        label: what a screen reader says of it; ipywidgets has no such words for a PNG.
        fallback: whether to take the PNG in any case.
    """
    if not fallback:
        try:
            from vrrae_lab.widgets.pixel_canvas import PixelCanvas
        except ImportError:  # no anywidget: the picture comes later, once the page has decoded it
            pass
        else:
            return PixelCanvas(shape, magnify, label)
    return PngPicture(shape, magnify)
