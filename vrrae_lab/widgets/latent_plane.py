"""A plane of two coefficients to point at, with the image that a model decodes there beside it."""

import threading
from collections.abc import Callable
from html import escape
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from jaxtyping import Array, Key

from vrrae_lab import figures
from vrrae_lab.data.dataset import Dataset
from vrrae_lab.models import Autoencoder
from vrrae_lab.widgets.error_line import ErrorLine
from vrrae_lab.widgets.latent_drawing import SIZE, Pixels, with_marker
from vrrae_lab.widgets.latent_points import NUM_STEPS, SAMPLES, LatentPoints, Plane, Scene
from vrrae_lab.widgets.picture import picture
from vrrae_lab.widgets.slider_picture import float_slider

DECODED_SIZE, PAIR_SIZE, STRIP_SIZE = 200, 140, 80  # about the heights on the page
# JupyterLab lets two threads of a kernel handle messages at once, of which one would draw a state that has passed.
ONE_AT_A_TIME = threading.RLock()


class SliderBoard(ipywidgets.VBox):
    """The plane as a picture with two sliders, where there is no canvas to point at.

    Attributes:
        pointer: where the marker is, in the plane.
        picked: number of the point that was picked; -1 for none.
        image: the picture as PNG.
        sliders: across and up.
    """

    pointer = traitlets.Tuple(traitlets.Float(), traitlets.Float(), default_value=(0.0, 0.0))
    picked = traitlets.Int(-1)
    hovered = traitlets.Int(-1)  # a canvas knows it; a picture does not

    def __init__(self) -> None:
        self._plane: Plane | None = None
        self._following = False  # the sliders the pointer, not the pointer the sliders
        self.image = ipywidgets.Image(format="png", width=SIZE, height=SIZE)
        self.sliders = [float_slider(name, 0.0, 1.0) for name in ("across", "up")]
        for slider in self.sliders:
            slider.observe(lambda _: self._read(), names="value")
        self.observe(lambda _: self._follow(), names="pointer")
        super().__init__([self.image, *self.sliders])

    def show(self, plane: Plane, axes: tuple[str, str]) -> None:
        """Put another picture under the marker."""
        self._plane = plane
        self._following = True
        for slider, low, high in zip(self.sliders, plane.extent[::2], plane.extent[1::2], strict=True):
            slider.min, slider.max = min(slider.min, low), max(slider.max, high)  # never one beyond the other
            slider.min, slider.max, slider.step = low, high, (high - low) / 200
        self._follow()

    def _read(self) -> None:
        with ONE_AT_A_TIME:
            if not self._following:
                self.pointer = tuple(slider.value for slider in self.sliders)

    def _follow(self) -> None:
        with ONE_AT_A_TIME:
            self._following = True
            for slider, value in zip(self.sliders, self.pointer, strict=True):
                slider.value = value
            self._following = False
            if self._plane is not None:
                self.image.value = figures.png(with_marker(self._plane.pixels, self._plane.extent, self.pointer))


class LatentPlane(ipywidgets.VBox):
    """What `latent_plane` returns.

    Attributes:
        board: the plane itself; its `pointer` is a position in the plane, its `picked` the number of a point.
        across: which coefficient is drawn along the lower edge.
        up: which along the left edge.
        others: whether the other coefficients are those of the picked point, rather than their means.
        grid: whether decoded images lie behind the points.
        samples: by name, whether they are drawn over the points.
        nearest: picks the point nearest to the marker.
        start: makes the picked point one end of a strip, A.
        end: makes it the other, B.
        decoded: the image at the marker.
        pair: the picked point's image, or that of the point under the mouse, and what is decoded from it.
        strip: the images between A and B, or along the line that was painted last.
        legend: what is drawn, in words.
        caption: where the marker is, in numbers, and what is picked.
        message: errors are shown here, as a notebook would swallow them.
    """

    def __init__(self, points: LatentPoints, board: Any) -> None:
        """Made by `latent_plane`.

        Args:
            points: makes all the pictures.
            board: a `Canvas` or a `SliderBoard`, before anything is shown on it.
        """
        self._points, self.board = points, board
        self._ends: dict[str, int] = {}
        self._make_controls()
        height, width, _ = points.data.shape
        self.decoded = _picture(DECODED_SIZE, height, width, "decoded at the ring", board)
        self.pair = _picture(PAIR_SIZE, height, 2 * width + 1, "a point's image, and decoded from it", board)
        self.strip = _picture(STRIP_SIZE, height, NUM_STEPS * (width + 1) - 1, "decoded on the way", board)
        self.strip.layout.display = "none"  # until there is one
        self.legend, self.caption, self.message = ipywidgets.HTML(), ipywidgets.HTML(), ErrorLine()
        self._observe()
        super().__init__(self._rows())
        self._redraw()
        self.board.pointer = points.start(self.scene)

    @property
    def scene(self) -> Scene:
        """The state of the controls."""
        return Scene(
            self.across.value,
            self.up.value,
            self.board.picked if self.others.value and self.board.picked >= 0 else None,
            self.grid.value,
            tuple(name for name, box in self.samples.items() if box.value),
            tuple(self._ends.items()),
        )

    def _make_controls(self) -> None:
        spread = self._points.spread
        options = [(f"coefficient {j + 1} (spread {spread[j]:.2g})", j) for j in self._points.order]
        wide = ipywidgets.Layout(width="340px")
        self.across, self.up = (
            ipywidgets.Dropdown(options=options, value=options[i][1], description=name, layout=wide)
            for i, name in enumerate(("across", "up"))
        )
        others = [("at their mean", False), ("those of the picked point", True)]
        self.others = ipywidgets.Dropdown(options=others, value=False, description="others", layout=wide)
        self.grid = ipywidgets.ToggleButton(description="grid", tooltip="decoded images all over the plane")
        self.nearest = ipywidgets.Button(description="pick nearest", tooltip="pick the point nearest to the ring")
        self.start = ipywidgets.Button(description="A = picked", tooltip="the strip starts from the picked point")
        self.end = ipywidgets.Button(description="B = picked", tooltip="the strip ends at the picked point")
        narrow = {"indent": False, "layout": {"width": "auto"}}
        self.samples = {
            name: ipywidgets.Checkbox(value=False, description=name, **narrow) for name in self._points.sample_names
        }
        self.pair_name = ipywidgets.HTML("no point is picked")
        self.strip_name = ipywidgets.HTML("strip: pick a point, press A; pick another, press B; or paint a line")

    def _observe(self) -> None:
        for dropdown, other in ((self.across, self.up), (self.up, self.across)):
            dropdown.observe(
                lambda change, other=other: self._try(lambda: self._turn(other, change.old)), names="value"
            )
        for control in (self.others, self.grid, *self.samples.values()):
            control.observe(lambda _: self._try(self._redraw), names="value")
        self.board.observe(lambda _: self._try(self._decode), names="pointer")
        self.board.observe(lambda _: self._try(self._pick), names="picked")
        self.board.observe(lambda _: self._try(self._show_pair), names="hovered")
        self.board.observe(lambda change: self._try(lambda: self._paint(change.new)), names="trail")
        self.nearest.on_click(lambda _: self._try(self._pick_nearest))
        self.start.on_click(lambda _: self._try(lambda: self._mark("A")))
        self.end.on_click(lambda _: self._try(lambda: self._mark("B")))

    def _rows(self) -> list[ipywidgets.Widget]:
        two_only = len(self._points.order) == 2
        samples = ipywidgets.HBox([ipywidgets.HTML("samples:"), *self.samples.values()])
        pictures = ipywidgets.HBox(
            [
                ipywidgets.VBox([ipywidgets.HTML("decoded at the ring"), self.decoded]),
                ipywidgets.VBox([self.pair_name, self.pair]),
            ]
        )
        controls = [self.across, self.up, *([] if two_only else [self.others])]
        buttons = ipywidgets.HBox([self.grid, self.nearest, self.start, self.end])
        right = ipywidgets.VBox([*controls, buttons, samples, pictures, self.caption, self.message])
        top = ipywidgets.HBox([ipywidgets.VBox([self.board, self.legend]), right])
        return [top, self.strip_name, self.strip]

    def _try(self, action: Callable[[], None]) -> None:
        with ONE_AT_A_TIME:
            try:
                action()
                self.message.value = ""
            except Exception as error:  # whatever it is, the person at the plane must see it
                self.message.show(error)

    def _turn(self, other: ipywidgets.Dropdown, old: int) -> None:
        """Show the plane of the chosen coefficients; choosing the one on the other axis swaps the two."""
        if self.across.value == self.up.value:
            other.value = old  # which draws
        else:
            self._redraw()
            self.board.pointer = self._points.start(self.scene)

    def _redraw(self) -> None:
        self._plane = self._points.plane(self.scene)
        self.board.show(self._plane, self._axes())
        # only where it must: a move of the mouse may have come in since the plane was drawn
        if (inside := self._plane.extent.nearest_inside(self.board.pointer)) != self.board.pointer:
            self.board.pointer = inside
        self.legend.value = "<br>".join([self._points.words, *(SAMPLES[name].words for name in self.scene.samples)])
        self._decode()

    def _decode(self) -> None:
        scene, pointer = self.scene, self.board.pointer
        self.decoded.show(self._points.decoded(scene, pointer))
        others = "at their mean" if scene.base is None else f"those of {self._points.describe(scene.base)}"
        places = ", ".join(f"{axis} = {value:.3g}" for axis, value in zip(self._axes(), pointer, strict=True))
        self.caption.value = f"{places}" + (f"; the others {others}" if len(self._points.order) > 2 else "")

    def _axes(self) -> tuple[str, str]:
        return f"coefficient {self.across.value + 1}", f"coefficient {self.up.value + 1}"

    def _pick(self) -> None:
        self._show_pair()
        if self.others.value:
            self._redraw()

    def _pick_nearest(self) -> None:
        number = self._plane.nearest(self.board.pointer)
        self.board.picked = number
        x, y = self._plane.points[number].tolist()
        self.board.pointer = (x, y)

    def _show_pair(self) -> None:
        number = next((i for i in (self.board.hovered, self.board.picked) if i >= 0), None)
        if number is not None:
            self.pair.show(self._points.pair(number))
            self.pair_name.value = f"{escape(self._points.describe(number))}, and decoded"

    def _mark(self, letter: str) -> None:
        if self.board.picked < 0:
            raise ValueError('no point is picked: click one, or press "pick nearest"')
        self._ends[letter] = self.board.picked
        self._redraw()
        if len(self._ends) == 2:
            a, b = self._ends["A"], self._ends["B"]
            self._show_strip(self._points.between(a, b), "decoded on the straight line from A to B")

    def _paint(self, trail: list[list[float]]) -> None:
        if trail:
            images = self._points.along(self.scene, self._plane.extent, np.array(trail))
            self._show_strip(images, "decoded along the painted line")

    def _show_strip(self, pixels: Pixels, words: str) -> None:
        self.strip.show(pixels)
        self.strip.layout.display = None
        self.strip_name.value = words


def latent_plane(
    model: Autoencoder, data: Dataset, *, key: Key[Array, ""], path: Dataset | None = None, fallback: bool = False
) -> LatentPlane:
    """The posterior means of a data set in the plane of two coefficients, and the decoded image of any place in it.

    Drag the ring, or click the plane and use the arrow keys (with Shift in larger steps): the decoded image follows,
    and a painted line becomes a strip of images. A click on a point, or Enter near it, picks it: its image is shown
    beside what is decoded from it, and it can be made one end of an interpolation. The other coefficients are at their
    means, or at those of the picked point. At most 2,000 images are shown, evenly spread over the set.

    Args:
        model: a frozen model.
        data: the images to show as points, coloured by their labels where these are one class or number each.
        key: draws the samples that can be laid over the points: of the prior (variational models only), of a Gaussian
            mixture (`explore.sample_mixture`), and of a kernel density with the bandwidth `density.avae_reference`.
        path: images, in order, to be drawn as a line, such as `data.bumps_diagonal()`.
        fallback: whether to use two sliders and PNGs in place of canvases, for pages where these do not appear. Where
            anywidget is not installed they are used anyway.

    Raises:
        ValueError: if the model is not frozen, has one coefficient only or gives NaN or infinity, or if images do not
            fit it.
    """
    points = LatentPoints(model, data, path=path, key=key)
    return LatentPlane(points, SliderBoard() if fallback else _board())


def _board() -> Any:
    try:
        from vrrae_lab.widgets.latent_canvas import Canvas  # imported here, as anywidget takes a quarter of a second
    except ImportError:
        return SliderBoard()
    return Canvas()


def _picture(size: int, height: int, width: int, label: str, board: Any) -> Any:
    """A picture at most `size` pixels high on the page, and more than half as high."""
    magnify = size // height if height <= size else size / height
    return picture((height, width), magnify, label, fallback=isinstance(board, SliderBoard))
