// A pad to draw on. A drawing becomes an image as the data's were made: scaled to its frame and centred.
import { useLayoutEffect, useRef } from "preact/hooks";
import { colour, theme } from "../theme";
import type { Look } from "./Image";

interface PadProps {
  shape: [number, number, number];
  look: Look;
  /** Changes when the pad is to be emptied. */
  sheet: number;
  /** Called with height × width × channels numbers while a line is drawn. */
  onDraw: (pixels: Float32Array) => void;
  size?: number;
}

const FINE = 224; // pixels of the drawing, a side

export function Pad({ shape, look, sheet, onDraw, size }: PadProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  const strokes = useRef<[number, number][][]>([]);
  const waiting = useRef(0);
  const drawn = theme.value;

  const draw = () => {
    const canvas = ref.current!;
    const context = canvas.getContext("2d")!;
    context.clearRect(0, 0, FINE, FINE);
    context.strokeStyle = context.fillStyle = `rgb(${colour(canvas, "ink").join(" ")})`;
    lines(context, strokes.current);
  };
  useLayoutEffect(() => {
    strokes.current = [];
    draw();
  }, [sheet]);
  useLayoutEffect(draw, [drawn]);

  const point = (event: PointerEvent): [number, number] => {
    const box = ref.current!.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * FINE, ((event.clientY - box.top) / box.height) * FINE];
  };
  const add = (event: PointerEvent) => {
    strokes.current.at(-1)!.push(point(event));
    draw();
    // at most once a frame
    waiting.current ||= requestAnimationFrame(() => {
      waiting.current = 0;
      onDraw(rasterise(strokes.current, shape, look));
    });
  };
  return (
    <canvas
      ref={ref}
      width={FINE}
      height={FINE}
      class="pad"
      role="img"
      aria-label="a pad to draw on with a finger or the mouse; an image file can be chosen instead"
      style={{ width: size ? `${size}px` : "100%", aspectRatio: `${shape[1]} / ${shape[0]}` }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        strokes.current.push([]);
        add(event);
      }}
      onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && add(event)}
    />
  );
}

function lines(
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
  strokes: [number, number][][],
  pen = FINE / 13,
): void {
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = pen;
  for (const stroke of strokes) {
    context.beginPath();
    stroke.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.lineTo(stroke[0][0] + 0.01, stroke[0][1]);
    context.stroke();
  }
}

/** The image of a drawing. Ink is scaled to 20 of 28 pixels and its centre of mass moved to the middle, as in MNIST. */
function rasterise(strokes: [number, number][][], shape: [number, number, number], look: Look): Float32Array {
  const [height, width, channels] = shape;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  const all = strokes.flat();
  const across = all.map(([x]) => x);
  const down = all.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...across), Math.max(...across), Math.min(...down), Math.max(...down)];
  const pen = FINE / 13;
  const paint = (scale: number, x: number, y: number) => {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(scale, 0, 0, scale, x, y);
    // a line stays as thick as those of the data, however large it was drawn
    lines(context, strokes, look.picture === "ink" ? (width * 0.085) / scale : pen);
    const { data } = context.getImageData(0, 0, width, height);
    return Float32Array.from({ length: width * height }, (_, i) => data[4 * i + 3] / 255);
  };
  let alpha: Float32Array;
  if (look.picture === "ink") {
    const inner = width >= 20 ? 18 / 28 : 0.8;
    const scale = (inner * width) / Math.max(right - left, bottom - top, FINE / 6);
    const [x, y] = [width / 2 - (scale * (left + right)) / 2, height / 2 - (scale * (top + bottom)) / 2];
    const first = paint(scale, x, y);
    let [mass, mx, my] = [0, 0, 0];
    first.forEach((value, i) => {
      mass += value;
      mx += value * ((i % width) + 0.5);
      my += value * (Math.floor(i / width) + 0.5);
    });
    alpha = paint(scale, x + width / 2 - mx / mass, y + height / 2 - my / mass);
  } else alpha = paint(width / FINE, 0, 0);
  const [low, high] = look.limits;
  return Float32Array.from(
    { length: alpha.length * channels },
    (_, i) => low + alpha[Math.floor(i / channels)] * (high - low),
  );
}
