"""Small charts as pixels, drawn in a millisecond or two, for pictures that change many times a second."""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Real, UInt8
from PIL import Image, ImageDraw, ImageFont

from vrrae_lab import figures

INK, GRID, PAPER = "#333333", "#DDDDDD", "#FFFFFF"
MARGIN_LEFT, MARGIN_TOP, MARGIN_RIGHT, MARGIN_BOTTOM = 44, 22, 10, 34
FONT_SIZE = 12
Colour = str | tuple[int, ...]
Numbers = Sequence[float] | Real[np.ndarray, " count"]


class Axis(NamedTuple):
    """From where to where an axis goes, and what it shows; values beyond its ends are drawn at them."""

    low: float
    high: float
    name: str = ""
    logarithmic: bool = False

    def place(self, values: Numbers) -> Float[np.ndarray, " count"]:
        """Values as fractions of the axis."""
        ends = np.array([self.low, self.high], float)
        values = np.clip(np.asarray(values, float), *ends)
        low, high = np.log(ends) if self.logarithmic else ends
        return ((np.log(values) if self.logarithmic else values) - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round values on the axis, two to seven of them where its ends are round."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1, max(1, (last - first + 3) // 4))]
        step = round_up((self.high - self.low) / 3)
        return [step * i for i in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]


class Sheet:
    """White paper with room for charts side by side.

    Attributes:
        panels: the charts, from the left.
    """

    def __init__(self, width: int, height: int, titles: Sequence[str], axes: Sequence[tuple[Axis, Axis]]) -> None:
        """Args:
        width: in pixels.
        height: likewise.
        titles: above each chart.
        axes: of each chart, the horizontal and the vertical one.
        """
        self._image = Image.new("RGB", (width, height), PAPER)
        draw = ImageDraw.Draw(self._image)
        part = width // len(axes)
        self.panels = [
            Panel(draw, (i * part, 0, (i + 1) * part, height), title, *pair)
            for i, (title, pair) in enumerate(zip(titles, axes, strict=True))
        ]

    def pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        """What has been drawn."""
        return np.asarray(self._image)

    def png(self) -> bytes:
        """The same as a PNG."""
        return figures.png(self.pixels())


class Panel:
    """One chart: a frame with ticks, a title and the names of the axes, and what is drawn in it."""

    def __init__(self, draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], title: str, x: Axis, y: Axis) -> None:
        """`box`: left, top, right and bottom of the chart with all its words, in pixels."""
        left, top, right, bottom = box
        self._draw, self._x, self._y = draw, x, y
        self._left, self._top = left + MARGIN_LEFT, top + MARGIN_TOP
        self._right, self._bottom = right - MARGIN_RIGHT, bottom - MARGIN_BOTTOM
        self._axes()
        self._text((self._left, top + 4), title, "la")
        self._text(((self._left + self._right) // 2, bottom - 2), x.name, "md")

    def line(self, x: Numbers, y: Numbers, colour: str) -> None:
        """A line through points; a dot for one point alone."""
        points = self._points(x, y)
        self._draw.line(points, fill=colour, width=2, joint="curve")
        if len(points) == 1:
            self.dots(x, y, [colour])

    def dots(self, x: Numbers, y: Numbers, colours: Sequence[Colour], radius: float = 2.5) -> None:
        """Points, each of its colour."""
        for (left, top), colour in zip(self._points(x, y), colours, strict=True):
            self._draw.ellipse((left - radius, top - radius, left + radius, top + radius), fill=colour)

    def bars(self, heights: Numbers, filled: Sequence[bool] | Bool[np.ndarray, " count"], colour: str) -> None:
        """A bar at 1, 2, …, from the bottom; outlined only where it is not to be filled."""
        half = 0.36 * (self._right - self._left) / (self._x.high - self._x.low)
        for (middle, top), full in zip(self._points(range(1, len(heights) + 1), heights), filled, strict=True):
            corners = (middle - half, min(top, self._bottom - 1), middle + half, self._bottom)
            self._draw.rectangle(corners, fill=colour if full else PAPER, outline=colour, width=1)

    def legend(self, names: Sequence[str], colours: Sequence[str]) -> None:
        """Names in their colours, in the upper right corner."""
        for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
            self._text((self._right - 4, self._top + 3 + 15 * i), name, "ra", colour)

    def _points(self, x: Numbers, y: Numbers) -> list[tuple[float, float]]:
        across = self._left + self._x.place(x) * (self._right - self._left)
        down = self._bottom - self._y.place(y) * (self._bottom - self._top)
        return list(zip(across.tolist(), down.tolist(), strict=True))

    def _axes(self) -> None:
        for tick in self._x.ticks():
            ((across, _),) = self._points([tick], [self._y.low])
            self._text((across, self._bottom + 3), f"{tick:g}", "ma")
        for tick in self._y.ticks():
            ((_, down),) = self._points([self._x.low], [tick])
            self._draw.line((self._left, down, self._right, down), fill=GRID)
            self._text((self._left - 4, down), f"{tick:g}", "rm")
        self._draw.rectangle((self._left, self._top, self._right, self._bottom), outline=INK)

    def _text(self, place: tuple[float, float], text: str, anchor: str, colour: str = INK) -> None:
        if not text.isascii():
            raise ValueError(f"{text!r}: Pillow's own font has boxes for letters beyond ASCII; write them out")
        self._draw.text(place, text, fill=colour, font=_font(), anchor=anchor)


def round_up(value: float, digits: Sequence[float] = (1, 2, 5, 10)) -> float:
    """The next of the round numbers that is not smaller: of …, 0.1, 0.2, 0.5, 1, 2, 5, … or with other digits."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(digit * power for digit in digits if digit * power >= value * (1 - 1e-9))


def decades(values: Float[np.ndarray, " count"], least: float, most: float) -> tuple[float, float]:
    """The powers of ten around all positive values, within `least` and `most`; those two if there is none."""
    inside = np.clip(values[values > 0], least, most)
    if not len(inside):
        return least, most
    low, high = math.floor(math.log10(inside.min())), math.ceil(math.log10(inside.max()))
    return 10.0**low, 10.0 ** max(high, low + 1)


@functools.cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT_SIZE)
