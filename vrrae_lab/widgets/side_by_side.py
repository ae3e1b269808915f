"""A decoded image, and at its left the one that was encoded."""

import html

import ipywidgets
import numpy as np
from jaxtyping import UInt8

from vrrae_lab import figures
from vrrae_lab.widgets.coefficients import Image
from vrrae_lab.widgets.image_source import Source
from vrrae_lab.widgets.picture import picture

PICTURE_SIZE = 256  # of the longer side, in pixels, more or less


class SideBySide(ipywidgets.HBox):
    """Two pictures; only the decoded one where nothing was encoded.

    Attributes:
        image: what is decoded.
        original: what was encoded.
    """

    def __init__(self, shape: tuple[int, int, int], limits: tuple[float, float], fallback: bool = False) -> None:
        """Empty until the first `show`.

        Args:
            shape: (height, width, channels) of an image.
            limits: the values of the darkest and the brightest colour.
            fallback: see `picture`.
        """
        self._limits = limits
        magnify = max(1, round(PICTURE_SIZE / max(shape[:2])))
        self.image, self.original = (
            picture(shape[:2], magnify, label, fallback=fallback) for label in ("decoded image", "encoded image")
        )
        self._name = ipywidgets.HTML()
        self._left = ipywidgets.VBox([self._name, self.original])
        self._right = ipywidgets.VBox([ipywidgets.HTML("decoded"), self.image])
        self._source: Source | None = None
        super().__init__([self._right])

    def show(self, decoded: Image, source: Source | None) -> None:
        """Draw the decoded image, and the encoded one if there is one."""
        self.image.show(self._pixels(decoded))
        if source is self._source:
            return
        self._source = source
        if source is None:
            self.children = [self._right]
        else:
            self._name.value = html.escape(source.name)
            self.original.show(self._pixels(source.x))
            self.children = [self._left, self._right]

    def _pixels(self, image: Image) -> UInt8[np.ndarray, "height width 3"]:
        return figures.to_pixels(image[None], self._limits)[0]
