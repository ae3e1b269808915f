// Images as people know them: ink on paper, colour, a map of values, a signed difference.
import { useLayoutEffect, useRef } from "preact/hooks";
import { colour, theme } from "../theme";

/** How numbers become colours; `limits` become the ends of the scale. */
export interface Look {
  /** "ink": digits; "photo": red, green, blue; "map": one perceptual map; "difference": below zero blue, above orange. */
  picture: "ink" | "photo" | "map" | "difference";
  limits: [number, number];
}

interface ImageProps {
  /** height × width × channels numbers, row-major; null leaves the place empty. */
  pixels: ArrayLike<number> | null;
  shape: [number, number, number];
  look: Look;
  /** On the screen, in CSS pixels; the whole width of its place if none. */
  size?: number;
  label: string;
}

// a map of even lightness steps from deep violet to light yellow
const STOPS = [
  [36, 20, 74],
  [75, 43, 122],
  [124, 60, 131],
  [172, 80, 122],
  [215, 111, 104],
  [243, 155, 96],
  [252, 205, 120],
  [252, 246, 185],
];

export function Image({ pixels, shape, look, size, label }: ImageProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  const drawn = theme.value;
  useLayoutEffect(() => {
    const canvas = ref.current!;
    const [height, width] = shape;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d")!;
    if (!pixels) return context.clearRect(0, 0, width, height);
    const image = context.createImageData(width, height);
    paint(image.data, pixels, shape[2], look, inks(canvas));
    context.putImageData(image, 0, 0);
  }, [pixels, shape, look, drawn]);
  const smooth = Math.min(shape[0], shape[1]) >= 28;
  return (
    <canvas
      ref={ref}
      class="picture"
      role="img"
      aria-label={label}
      style={{
        width: size ? `${size}px` : "100%",
        aspectRatio: `${shape[1]} / ${shape[0]}`,
        imageRendering: smooth ? "auto" : "pixelated",
      }}
    />
  );
}

/** Colours of the theme around an element that images are painted with. */
export interface Inks {
  paper: number[];
  ink: number[];
  below: number[];
  above: number[];
}

export function inks(el: Element): Inks {
  return { paper: colour(el, "paper"), ink: colour(el, "ink"), below: colour(el, "vae"), above: colour(el, "vrrae") };
}

/** Write `pixels` into bytes of red, green, blue, opacity, from `start` on. */
export function paint(
  bytes: Uint8ClampedArray,
  pixels: ArrayLike<number>,
  channels: number,
  look: Look,
  inks: Inks,
  start = 0,
): void {
  const [low, high] = look.limits;
  const count = pixels.length / channels;
  for (let i = 0, at = start; i < count; i++, at += 4) {
    bytes[at + 3] = 255;
    if (look.picture === "photo" && channels === 3) {
      for (let c = 0; c < 3; c++) bytes[at + c] = (255 * (pixels[3 * i + c] - low)) / (high - low);
      continue;
    }
    const value = pixels[channels * i];
    const unit = Math.min(1, Math.max(0, (value - low) / (high - low)));
    if (look.picture === "map") {
      const place = unit * (STOPS.length - 1);
      const stop = Math.min(STOPS.length - 2, Math.floor(place));
      for (let c = 0; c < 3; c++)
        bytes[at + c] = STOPS[stop][c] + (place - stop) * (STOPS[stop + 1][c] - STOPS[stop][c]);
    } else {
      const signed = look.picture === "difference";
      const end = signed ? (value < 0 ? inks.below : inks.above) : inks.ink;
      const much = signed ? Math.min(1, Math.abs(value) / Math.max(Math.abs(low), Math.abs(high))) : unit;
      for (let c = 0; c < 3; c++) bytes[at + c] = inks.paper[c] + much * (end[c] - inks.paper[c]);
    }
  }
}
