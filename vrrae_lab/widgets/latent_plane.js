// The canvas of `latent_plane`: it shows the picture the kernel drew, and on it a marker that follows pointer and keys.
// Traits: picture (PNG), points (float32, x and y in turn), extent ([left, right, bottom, top]), size, label;
// pointer ([x, y]), hovered and picked (numbers of points, -1 for none), trail (the last painted line, [[x, y], …]).

const REACH = 10; // how far from a point, in pixels of the page, it is still meant
const STILL = 4; // a press that moves no farther is a click
const STEP = 0.01; // of the plane's width per arrow key; with Shift ten times as much
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

function render({ model, el }) {
  const size = model.get("size");
  const ratio = window.devicePixelRatio || 1;
  const canvas = document.createElement("canvas");
  const message = document.createElement("div");
  canvas.width = canvas.height = Math.round(size * ratio);
  Object.assign(canvas.style, { width: `${size}px`, height: `${size}px`, touchAction: "none", cursor: "crosshair" });
  message.style.color = "#D55E00";
  message.setAttribute("role", "alert");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.dataset.lmSuppressShortcuts = "true"; // else JupyterLab takes the arrow keys
  el.append(canvas, message);

  const pen = canvas.getContext("2d");
  const picture = new Image();
  let points = new Float32Array();
  let address = null;
  let pressed = null; // where the mouse went down, on the page, while it is down
  let trail = [];

  const toPage = ([x, y]) => {
    const [left, right, bottom, top] = model.get("extent");
    return [((x - left) / (right - left)) * size, ((top - y) / (top - bottom)) * size];
  };

  const toPlane = ([column, row]) => {
    const [left, right, bottom, top] = model.get("extent");
    const [a, b] = [column, row].map((pixel) => Math.min(Math.max(pixel / size, 0), 1));
    return [left + a * (right - left), top - b * (top - bottom)];
  };

  const pointAt = (number) => [points[2 * number], points[2 * number + 1]];

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * size, ((event.clientY - box.top) / box.height) * size];
  };

  const nearest = ([column, row], reach) => {
    let [best, least] = [-1, reach];
    for (let i = 0; 2 * i < points.length; i++) {
      const [x, y] = toPage(pointAt(i));
      const distance = Math.hypot(x - column, y - row);
      if (distance <= least) [best, least] = [i, distance];
    }
    return best;
  };

  const ring = (position, radius, width, colour) => {
    const [column, row] = toPage(position);
    pen.beginPath();
    pen.arc(column, row, radius, 0, 2 * Math.PI);
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.stroke();
  };

  const draw = () => {
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, size, size);
    if (picture.complete && picture.naturalWidth > 0) pen.drawImage(picture, 0, 0, size, size);
    for (const [width, colour] of [[5, "white"], [2, "black"]]) {
      pen.beginPath();
      trail.forEach((position) => pen.lineTo(...toPage(position)));
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.stroke();
    }
    for (const name of ["hovered", "picked"]) {
      const number = model.get(name);
      if (number >= 0 && 2 * number < points.length) ring(pointAt(number), 6, 2, "black");
    }
    ring(model.get("pointer"), 9, 6, "white");
    ring(model.get("pointer"), 9, 2, "black");
  };

  const send = (changes) => {
    model.set(changes);
    model.save_changes();
    draw();
  };

  const pick = (number) => send({ picked: number, pointer: pointAt(number) });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus({ preventScroll: true });
    pressed = place(event);
    trail = [toPlane(pressed)];
    send({ pointer: trail[0] });
  });

  canvas.addEventListener("pointermove", (event) => {
    const here = place(event);
    if (pressed) {
      trail.push(toPlane(here));
      send({ pointer: trail.at(-1) });
    } else if (nearest(here, REACH) !== model.get("hovered")) {
      send({ hovered: nearest(here, REACH) });
    }
  });

  const release = (event) => {
    if (!pressed) return;
    const here = place(event);
    const moved = trail.some((position) => {
      const [column, row] = toPage(position);
      return Math.hypot(column - pressed[0], row - pressed[1]) > STILL;
    });
    pressed = null;
    const number = nearest(here, REACH);
    if (moved) send({ trail });
    else {
      trail = [];
      if (number >= 0) pick(number);
      else draw();
    }
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => model.get("hovered") >= 0 && send({ hovered: -1 }));

  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    const [column, row] = toPage(model.get("pointer"));
    if (!arrow) return points.length && pick(nearest([column, row], Infinity));
    const step = size * STEP * (event.shiftKey ? 10 : 1);
    trail = [];
    send({ pointer: toPlane([column + step * arrow[0], row - step * arrow[1]]) });
  });

  picture.onload = () => {
    message.textContent = "";
    draw();
  };
  picture.onerror = () => (message.textContent = "the picture of the plane cannot be shown");

  const listeners = {
    "change:picture": () => {
      URL.revokeObjectURL(address);
      address = URL.createObjectURL(new Blob([model.get("picture")], { type: "image/png" }));
      picture.src = address;
    },
    "change:points": () => {
      const bytes = model.get("points");
      // copied, as floats must start at a multiple of four bytes
      points = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
      trail = [];
      draw();
    },
    "change:label": () => canvas.setAttribute("aria-label", model.get("label")),
    "change:extent": draw,
    "change:pointer": draw,
    "change:hovered": draw,
    "change:picked": draw,
  };
  for (const [name, listener] of Object.entries(listeners)) {
    model.on(name, listener);
    listener();
  }
  return () => {
    for (const [name, listener] of Object.entries(listeners)) model.off(name, listener);
    URL.revokeObjectURL(address);
  };
}

export default { render };
