"""A picture that the page draws from bare pixels: it is there a frame sooner than a PNG, which must be decoded."""

from typing import Any

import anywidget
import numpy as np
import traitlets
from jaxtyping import UInt8

MODULE = """
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "vrrae-lab-pixels";
  [canvas.height, canvas.width] = model.get("shape");
  const magnify = model.get("magnify");
  canvas.style.cssText = `display: block; width: ${magnify * canvas.width}px`;
  if (magnify > 1) canvas.style.imageRendering = "pixelated";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", model.get("label"));
  el.append(canvas);
  const pen = canvas.getContext("2d");
  const draw = () => {
    const value = model.get("value");  // a view into the message's bytes; empty before the first picture
    const bytes = new Uint8ClampedArray(value.buffer, value.byteOffset, value.byteLength);
    if (bytes.length === 4 * canvas.width * canvas.height) {
      pen.putImageData(new ImageData(bytes, canvas.width), 0, 0);
    }
  };
  model.on("change:value", draw);
  draw();
  return () => model.off("change:value", draw);
}
export default { render };
"""


class PixelCanvas(anywidget.AnyWidget):
    """A canvas with a picture of a fixed size.

    Attributes:
        value: the picture's bytes, RGBA, row by row.
        shape: height and width, in pixels of the picture.
        magnify: how many pixels of the page one pixel of the picture measures; may be less than 1.
        label: what a screen reader says of it.
    """

    _esm = MODULE
    value = traitlets.Bytes().tag(sync=True)
    shape = traitlets.Tuple(traitlets.Int(), traitlets.Int()).tag(sync=True)
    magnify = traitlets.Float(1.0).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)

    def __init__(self, shape: tuple[int, int], magnify: float, label: str) -> None:
        """Empty until the first `show`; the arguments are the attributes of these names."""
        layout: dict[str, Any] = {"min_width": f"{magnify * shape[1]:g}px", "margin": "2px"}  # as that of an Image
        super().__init__(shape=shape, magnify=magnify, label=label, layout=layout)

    def show(self, pixels: UInt8[np.ndarray, "height width 3"]) -> None:
        """Put a picture of this size in the canvas."""
        self.value = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]).tobytes()
