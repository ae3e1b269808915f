"""A decoded image, and at its left the one that was encoded."""

import html

import ipywidgets

from vrrae_lab import figures
from vrrae_lab.widgets.coefficients import Image
from vrrae_lab.widgets.image_source import Source

PICTURE_SIZE = 256  # of the longer side, in pixels, more or less


class SideBySide(ipywidgets.HBox):
    """Two pictures; only the decoded one where nothing was encoded.

    Attributes:
        image: what is decoded, as PNG.
        original: what was encoded, likewise.
    """

    def __init__(self, shape: tuple[int, int, int], limits: tuple[float, float]) -> None:
        """Empty until the first `show`.

        Args:
            shape: (height, width, channels) of an image.
            limits: the values of the darkest and the brightest colour.
        """
        self._limits = limits
        self._magnify = max(1, round(PICTURE_SIZE / max(shape[:2])))
        height, width = (self._magnify * side for side in shape[:2])  # so that the page need not scale
        self.image, self.original = (
            ipywidgets.Image(format="png", width=width, height=height, layout={"min_width": f"{width}px"})
            for _ in range(2)
        )
        self._name = ipywidgets.HTML()
        self._left = ipywidgets.VBox([self._name, self.original])
        self._right = ipywidgets.VBox([ipywidgets.HTML("decoded"), self.image])
        self._source: Source | None = None
        super().__init__([self._right])

    def show(self, decoded: Image, source: Source | None) -> None:
        """Draw the decoded image, and the encoded one if there is one."""
        self.image.value = self._png(decoded)
        if source is self._source:
            return
        self._source = source
        if source is None:
            self.children = [self._right]
        else:
            self.original.value, self._name.value = self._png(source.x), html.escape(source.name)
            self.children = [self._left, self._right]

    def _png(self, image: Image) -> bytes:
        return figures.png(figures.to_pixels(image[None], self._limits)[0], self._magnify)
