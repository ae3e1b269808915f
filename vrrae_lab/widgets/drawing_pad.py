"""A small black canvas to draw on in white, with a mouse, a pen or a finger."""

import anywidget
import traitlets

MODULE = """
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.width = model.get("width");
  canvas.height = model.get("height");
  canvas.style.cssText = "touch-action: none; cursor: crosshair; border: 1px solid #767676;";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", model.get("label"));
  const clear = document.createElement("button");
  clear.textContent = "clear the drawing";
  clear.className = "jupyter-button widget-button lm-Widget";
  clear.style.cssText = "display: block; width: auto;";
  el.append(canvas, clear);

  const pen = canvas.getContext("2d");
  const wipe = () => {
    pen.fillStyle = "black";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = "white";
    pen.lineWidth = canvas.width / 12;
    pen.lineCap = pen.lineJoin = "round";
  };
  const send = (picture) => {
    model.set("picture", picture);
    model.save_changes();
  };
  const draw = (event) => {
    pen.lineTo(event.offsetX, event.offsetY);
    pen.stroke();
  };
  let pointer = null;  // the one that draws: a second finger does nothing
  canvas.addEventListener("pointerdown", (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    pen.beginPath();
    pen.moveTo(event.offsetX - 0.1, event.offsetY);  // a touch without a move leaves a dot
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === pointer) draw(event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId !== pointer) return;
      pointer = null;
      send(canvas.toDataURL("image/png"));
    });
  }
  clear.addEventListener("click", () => {
    wipe();
    send("");
  });
  const emptied = () => model.get("picture") || wipe();
  model.on("change:picture", emptied);
  wipe();
  return () => model.off("change:picture", emptied);
}
export default { render };
"""


class DrawingPad(anywidget.AnyWidget):
    """A canvas; each finished stroke sends the picture.

    Attributes:
        picture: the drawing as a PNG in a data address; empty when the pad is wiped, by its button or from here.
        width: of the pad, in pixels.
        height: likewise.
        label: what a screen reader says of the canvas.
    """

    _esm = MODULE
    picture = traitlets.Unicode("").tag(sync=True)
    width = traitlets.Int(160).tag(sync=True)
    height = traitlets.Int(160).tag(sync=True)
    label = traitlets.Unicode(
        "drawing pad for mouse, pen or finger; without one, use the image number or the upload"
    ).tag(sync=True)
