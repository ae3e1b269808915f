"""A plane of two coefficients as pixels: points, a path, samples, and decoded images behind them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from vrrae_lab import figures

Points = Float[np.ndarray, "count 2"]
Pixels = UInt8[np.ndarray, "height width 3"]

SIZE = 480  # of the picture, per side
FINE = 2  # drawn so many times larger and then reduced, so that edges are smooth
MARGIN = 1.08
RADIUS = 3.5
GREY, BLACK, WHITE = (120, 120, 120), (0, 0, 0), (255, 255, 255)
# Lines from place to place around a sample, in pixels: told apart by shape, as colours are taken by the labels.
SHAPES: dict[str, list[list[tuple[float, float]]]] = {
    "crosses": [[(-3, -3), (3, 3)], [(-3, 3), (3, -3)]],
    "squares": [[(-3, -3), (3, -3), (3, 3), (-3, 3), (-3, -3)]],
    "triangles": [[(-4, 3), (4, 3), (0, -4), (-4, 3)]],
}


class Extent(NamedTuple):
    """The part of the plane that is shown."""

    left: float
    right: float
    bottom: float
    top: float

    @classmethod
    def around(cls, points: Points) -> "Extent":
        """The least that contains the points, and some margin."""
        low, high = points.min(axis=0), points.max(axis=0)
        middle, half = (low + high) / 2, MARGIN * (high - low) / 2
        half = np.where(half > 0, half, 1.0)
        (left, bottom), (right, top) = (middle - half).tolist(), (middle + half).tolist()
        return cls(left, right, bottom, top)

    def unit(self, points: Points) -> Float[np.ndarray, "count 2"]:
        """Points as fractions of the picture, to the right and downwards."""
        x = (points[:, 0] - self.left) / (self.right - self.left)
        y = (self.top - points[:, 1]) / (self.top - self.bottom)
        return np.stack([x, y], axis=1)

    def nearest_inside(self, position: tuple[float, float]) -> tuple[float, float]:
        """The position itself, if it is shown; else that of the shown ones that is nearest."""
        x, y = position
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    def cells(self, per_side: int) -> Float[np.ndarray, "cells 2"]:
        """The middles of a regular grid's cells, row by row from the upper left."""
        ticks = (np.arange(per_side) + 0.5) / per_side
        x, y = np.meshgrid(self.left + (self.right - self.left) * ticks, self.top - (self.top - self.bottom) * ticks)
        return np.stack([x.ravel(), y.ravel()], axis=1)


@dataclass(frozen=True)
class Drawing:
    """What there is to be drawn.

    Attributes:
        extent: the part of the plane that fills the picture.
        points: drawn as discs.
        colours: of each of them.
        path: drawn as a line, if any.
        samples: name of a shape to where it is drawn.
        letters: letter to where it is drawn.
        ground: a picture to lie behind all that, if any.
    """

    extent: Extent
    points: Points
    colours: UInt8[np.ndarray, "count 3"]
    path: Float[np.ndarray, "places 2"] | None = None
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)
    letters: Mapping[str, np.ndarray] = field(default_factory=dict)
    ground: Pixels | None = None

    def pixels(self) -> UInt8[np.ndarray, "size size 3"]:
        """The picture."""
        from PIL import Image, ImageDraw

        large = (FINE * SIZE, FINE * SIZE)
        image = Image.new("RGB", large, WHITE)
        if self.ground is not None:
            image = Image.fromarray(self.ground).resize(large, Image.Resampling.BOX)
        pen = ImageDraw.Draw(image)
        places = self._places(self.points)
        for (x, y), colour in zip(places, self.colours.tolist(), strict=True):
            r = FINE * RADIUS
            pen.ellipse((x - r, y - r, x + r, y + r), tuple(colour), WHITE, FINE // 2)
        for shape, samples in self.samples.items():
            for x, y in self._places(samples):
                lines = [[(x + FINE * right, y + FINE * down) for right, down in line] for line in SHAPES[shape]]
                for colour, width in ((WHITE, 2 * FINE), (BLACK, FINE)):
                    for line in lines:
                        pen.line(line, colour, width)
        if self.path is not None:
            places_on_it = [(x, y) for x, y in self._places(self.path)]
            pen.line(places_on_it, WHITE, 5 * FINE, "curve")
            pen.line(places_on_it, figures.PALETTE[1], 3 * FINE, "curve")
        small = image.reduce(FINE)
        self._write(ImageDraw.Draw(small))
        return np.asarray(small)

    def _places(self, points: np.ndarray) -> list[list[float]]:
        return (self.extent.unit(points) * FINE * SIZE).tolist()

    def _write(self, pen: Any) -> None:
        """Numbers along the lower and the left edge, and the letters; not enlarged, as the font has one size."""
        from PIL import ImageFont

        font = ImageFont.load_default()
        left, right, bottom, top = self.extent
        for x in _round_numbers(left, right):
            column = round((x - left) / (right - left) * SIZE)
            pen.line((column, SIZE - 6, column, SIZE), GREY)
            pen.text((column - 6, SIZE - 19), f"{x:.6g}", BLACK, font, stroke_width=2, stroke_fill=WHITE)
        for y in _round_numbers(bottom, top):
            row = round((top - y) / (top - bottom) * SIZE)
            pen.line((0, row, 6, row), GREY)
            pen.text((9, row - 6), f"{y:.6g}", BLACK, font, stroke_width=2, stroke_fill=WHITE)
        for letter, place in self.letters.items():
            column, row = (self.extent.unit(place[None])[0] * SIZE).tolist()
            pen.ellipse((column - 9, row - 9, column + 9, row + 9), WHITE, BLACK, 2)
            pen.text((column - 3, row - 6), letter, BLACK, font)
        pen.rectangle((0, 0, SIZE - 1, SIZE - 1), outline=GREY)


def with_marker(pixels: Pixels, extent: Extent, position: tuple[float, float]) -> Pixels:
    """The picture of a plane with a ring around a position, black in white to be seen on everything."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(pixels)
    pen = ImageDraw.Draw(image)
    x, y = (extent.unit(np.array([position]))[0] * SIZE).tolist()
    for radius, colour, width in ((10, WHITE, 6), (8, BLACK, 2)):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), None, colour, width)
    return np.asarray(image)


def _round_numbers(low: float, high: float) -> list[float]:
    """Three to seven multiples of a round number, away from the ends."""
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    count = range(math.ceil((low + 0.06 * (high - low)) / step), math.floor((high - 0.06 * (high - low)) / step) + 1)
    return [i * step for i in count]
