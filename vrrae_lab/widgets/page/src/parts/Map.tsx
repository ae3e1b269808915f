// A plane of two coefficients: the data as points, numerals where classes lie, what is decoded where, and a marker.
import { scaleLinear } from "./scale";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { colour, theme } from "../theme";
import { densityOn } from "../widgets/kernels";
import { contour } from "./contour";
import { Handle, place } from "./handle";
import { Image, inks, type Look, paint } from "./Image";
import { AxisBelow, useWidth } from "./Plot";
import { short } from "./Slider";

type Point = [number, number];

interface MapProps {
  /** (count, 2), in the units of the coefficients. */
  points: Float32Array;
  /** The class of each point, from 0; null where there are none. */
  labels: Int32Array | null;
  classes: string[];
  /** The image behind a point; null if it is not here. */
  thumbnail: (i: number) => ArrayLike<number> | null;
  shape: [number, number, number];
  look: Look;
  /** Names of the axes: "coefficient 1". */
  axes: [string, string];
  /** The model's colour. */
  family: string;
  at: Point;
  onMove: (at: Point) => void;
  /** A point was tapped. */
  onPick: (i: number) => void;
  /** Where other models, or other images, are. */
  others?: { at: Point; family: string; name: string }[];
  /** Samples as dots, an interpolation or a painted path as a line. */
  trail?: { points: Point[]; family: string; line: boolean } | null;
  /** Given where dragging paints a path instead of moving the marker. */
  onPath?: (path: Point[]) => void;
  /** So many decodes a side in place of the points; 0 for none. */
  grid?: number;
  decode?: (at: Point) => ArrayLike<number>;
  /** Contours of where the data lie. */
  density?: boolean;
}

const GUTTER = 3;
const EDGE = { left: 34, top: 18, bottom: 34, right: 6 };
const NEAR = 12;
const FRAME = 8; // milliseconds of decoding between two frames

export function Map(props: MapProps) {
  const { points, axes, at, onMove, onPick, onPath, family, trail, others = [], grid = 0 } = props;
  const [ref, width] = useWidth<HTMLDivElement>();
  const size = Math.min(width - EDGE.left - EDGE.right, 460);
  const plane = useMemo(() => square(points), [points]);
  const x = scaleLinear(plane.x, [0, size]);
  const y = scaleLinear(plane.y, [size, 0]);
  const screen = useMemo(() => project(points, x, y), [points, size]);
  const [hover, setHover] = useState(-1);
  const [path, setPath] = useState<Point[]>([]);
  const down = useRef<Point | null>(null);

  const found = (px: number, py: number) => (grid ? -1 : nearest(screen, px, py));
  const where = (event: PointerEvent): Point => {
    const [px, py] = place(event.currentTarget as SVGSVGElement, event);
    return [px - EDGE.left, py - EDGE.top];
  };
  const value = ([px, py]: Point): Point => [clamp(x.invert(px), plane.x), clamp(y.invert(py), plane.y)];
  const step = (plane.x[1] - plane.x[0]) / 80;
  const shown = trail && !path.length ? trail : { points: path, family, line: true };
  const painted = shown.points.map(([a, b]): Point => [x(a), y(b)]);

  return (
    <div ref={ref} style={{ position: "relative", height: `${size + EDGE.top + EDGE.bottom}px` }}>
      <Ground {...props} x={plane.x} y={plane.y} screen={screen} size={size} />
      <svg
        width={size + EDGE.left + EDGE.right}
        height={size + EDGE.top + EDGE.bottom}
        role="group"
        aria-label={`map of ${axes[0]} and ${axes[1]}`}
        style={{ position: "absolute", left: 0, top: 0, touchAction: "none", cursor: "crosshair" }}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          down.current = where(event);
          if (onPath) setPath([value(down.current)]);
          else if (found(...down.current) < 0) onMove(value(down.current));
        }}
        onPointerMove={(event) => {
          const now = where(event);
          if (!down.current) return event.pointerType === "mouse" && setHover(found(...now));
          if (Math.hypot(now[0] - down.current[0], now[1] - down.current[1]) < 3) return;
          if (hover >= 0) setHover(-1);
          if (onPath) setPath((before) => [...before, value(now)]);
          else onMove(value(now));
        }}
        onPointerUp={(event) => {
          const now = where(event);
          const start = down.current;
          down.current = null;
          if (!start) return;
          if (onPath) {
            if (path.length > 1) onPath(path);
            setPath([]);
          } else if (Math.hypot(now[0] - start[0], now[1] - start[1]) < 3) {
            const i = found(...now);
            if (i >= 0) onPick(i);
          }
        }}
        onPointerLeave={() => setHover(-1)}
      >
        <g transform={`translate(${EDGE.left} ${EDGE.top})`}>
          <rect width={size} height={size} fill="transparent" />
          {y.ticks(5).map((tick) => (
            <text key={tick} x={-6} y={y(tick)} dy="0.32em" text-anchor="end">
              {short(tick)}
            </text>
          ))}
          <AxisBelow scale={x} name={`${axes[0]} →`} at={size} />
          <text x={-EDGE.left + 2} y={-7}>
            {`${axes[1]} ↑`}
          </text>
          {!grid && <Numerals {...props} screen={screen} size={size} />}
          {shown.line
            ? painted.length > 1 && (
                <polyline
                  points={painted.join(" ")}
                  fill="none"
                  stroke={`var(--${shown.family})`}
                  stroke-width={2.5}
                  stroke-linecap="round"
                  stroke-linejoin="round"
                />
              )
            : painted.map(([px, py], i) => (
                <circle key={i} cx={px} cy={py} r={4} fill={`var(--${shown.family})`} stroke="var(--paper)" />
              ))}
          {others.map((other) => (
            <g key={other.name} transform={`translate(${x(other.at[0])} ${y(other.at[1])})`}>
              <circle r={6} fill="none" stroke={`var(--${other.family})`} stroke-width={2} />
              <text class="halo" x={10} dy="0.32em" style={{ fill: `var(--${other.family})` }}>
                {other.name}
              </text>
            </g>
          ))}
          <Handle
            x={x(clamp(at[0], plane.x))}
            y={y(clamp(at[1], plane.y))}
            label={`${axes[0]} and ${axes[1]}`}
            words={`${at[0].toFixed(2)} and ${at[1].toFixed(2)}`}
            value={at[0]}
            min={plane.x[0]}
            max={plane.x[1]}
            onDrag={() => {}}
            onKey={(steps, horizontal) => {
              if (!steps) return onMove([0, 0]);
              const to: Point = horizontal ? [at[0] + step * steps, at[1]] : [at[0], at[1] + step * steps];
              onMove([clamp(to[0], plane.x), clamp(to[1], plane.y)]);
            }}
          >
            <circle class="ring" r={9} fill="none" stroke="var(--ink)" stroke-width={2.5} />
            <circle r={2.5} fill="var(--ink)" />
          </Handle>
        </g>
      </svg>
      {hover >= 0 && <Tip {...props} i={hover} left={screen[2 * hover]} top={screen[2 * hover + 1]} size={size} />}
    </div>
  );
}

interface GroundProps extends Omit<MapProps, "x" | "y"> {
  x: Point;
  y: Point;
  screen: Float32Array;
  size: number;
}

/** Points, contours or decodes: what stays as it is while the marker moves. */
function Ground({ points, labels, screen, size, x, y, grid = 0, decode, density, shape, look, family }: GroundProps) {
  const ref = useRef<HTMLCanvasElement>(null);
  const drawn = theme.value;
  useLayoutEffect(() => {
    const canvas = ref.current!;
    const scale = devicePixelRatio || 1;
    canvas.width = canvas.height = Math.max(1, Math.round(size * scale));
    const context = canvas.getContext("2d")!;
    context.scale(scale, scale);
    const css = (name: string) => `rgb(${colour(canvas, name).join(" ")})`;
    context.fillStyle = css("wash");
    context.fillRect(0, 0, size, size);
    if (grid && decode) return sheet(context, size, grid, shape, look, (a, b) => decode([mix(x, a), mix(y, b)]));
    const tones = Array.from({ length: 10 }, (_, i) => css(`class-${i}`));
    const single = css(family);
    context.globalAlpha = points.length > 4000 ? 0.4 : 0.55;
    for (let i = 0; i < screen.length / 2; i++) {
      context.fillStyle = labels && labels[i] >= 0 ? tones[labels[i] % 10] : single;
      context.beginPath();
      context.arc(screen[2 * i], screen[2 * i + 1], 2.3, 0, 7);
      context.fill();
    }
    if (density && points.length) {
      context.globalAlpha = 0.7;
      context.strokeStyle = css("muted");
      const steps = Array.from({ length: 48 }, (_, i) => (i * size) / 47);
      const places = Array.from({ length: screen.length / 2 }, (_, i) => [screen[2 * i], screen[2 * i + 1]]);
      const heights = densityOn(places, 14, steps, steps);
      const most = heights.reduce((a, b) => Math.max(a, b));
      context.beginPath();
      for (let level = 1; level < 7; level++)
        for (const [from, to] of contour(heights, 48, (level * most) / 7)) {
          context.moveTo((from[0] * size) / 47, (from[1] * size) / 47);
          context.lineTo((to[0] * size) / 47, (to[1] * size) / 47);
        }
      context.stroke();
    }
  }, [points, labels, screen, size, grid, grid ? decode : null, density, family, drawn]);
  return (
    <canvas
      ref={ref}
      aria-hidden="true"
      style={{
        position: "absolute",
        left: `${EDGE.left}px`,
        top: `${EDGE.top}px`,
        width: `${size}px`,
        height: `${size}px`,
        borderRadius: "8px",
      }}
    />
  );
}

/** Draw a grid of images, some in each frame; returns what ends it. */
function sheet(
  context: CanvasRenderingContext2D,
  size: number,
  count: number,
  shape: [number, number, number],
  look: Look,
  decode: (across: number, up: number) => ArrayLike<number>,
): () => void {
  const [height, width] = shape;
  const cell = document.createElement("canvas");
  Object.assign(cell, { width, height });
  const inner = cell.getContext("2d")!;
  const image = inner.createImageData(width, height);
  const tones = inks(context.canvas);
  const side = size / count;
  context.imageSmoothingEnabled = Math.min(width, height) >= 28;
  let next = 0;
  let frame = 0;
  const some = () => {
    const start = performance.now();
    for (; next < count * count && performance.now() - start < FRAME; next++) {
      const [column, row] = [next % count, Math.floor(next / count)];
      paint(image.data, decode((column + 0.5) / count, 1 - (row + 0.5) / count), shape[2], look, tones);
      inner.putImageData(image, 0, 0);
      context.drawImage(cell, column * side + GUTTER / 2, row * side + GUTTER / 2, side - GUTTER, side - GUTTER);
    }
    if (next < count * count) frame = requestAnimationFrame(some);
  };
  some();
  return () => cancelAnimationFrame(frame);
}

/** A numeral at the middle of each class, near ones pushed apart. */
function Numerals({ labels, classes, screen, size }: MapProps & { screen: Float32Array; size: number }) {
  const middles = useMemo(() => (labels ? centroids(labels, classes.length, screen, size) : []), [labels, screen]);
  return (
    <g aria-hidden="true">
      {middles.map(
        (middle, c) =>
          middle && (
            <text
              key={c}
              class="halo"
              x={middle[0]}
              y={middle[1]}
              dy="0.35em"
              text-anchor="middle"
              style={{
                fontSize: classes[c].length > 2 ? "12px" : "19px",
                fontWeight: 700,
                fill: `var(--class-${c % 10})`,
              }}
            >
              {classes[c]}
            </text>
          ),
      )}
    </g>
  );
}

interface TipProps extends MapProps {
  i: number;
  left: number;
  top: number;
  size: number;
}

function Tip({ i, left, top, size, points, labels, classes, thumbnail, shape, look }: TipProps) {
  const image = thumbnail(i);
  const name = labels && labels[i] >= 0 ? classes[labels[i]] : `image ${i}`;
  const across =
    left > size * 0.6 ? { right: `calc(100% - ${EDGE.left + left - 12}px)` } : { left: `${EDGE.left + left + 12}px` };
  return (
    <div class="tip" style={{ ...across, top: `${Math.max(0, EDGE.top + top - 60)}px` }}>
      {image && <Image pixels={image} shape={shape} look={look} size={56} label={name} />}
      <b>{name}</b> {short(points[2 * i])}, {short(points[2 * i + 1])}
    </div>
  );
}

/** The point nearest to a place, among those near it; −1 for none. Few enough to look at each. */
function nearest(screen: Float32Array, px: number, py: number): number {
  let [best, least] = [-1, NEAR * NEAR];
  for (let i = 0; i < screen.length / 2; i++) {
    const distance = (screen[2 * i] - px) ** 2 + (screen[2 * i + 1] - py) ** 2;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

/** Ranges of equal length that hold all points. */
function square(points: Float32Array): { x: Point; y: Point } {
  const low = [Infinity, Infinity];
  const high = [-Infinity, -Infinity];
  points.forEach((value, i) => {
    low[i % 2] = Math.min(low[i % 2], value);
    high[i % 2] = Math.max(high[i % 2], value);
  });
  if (!points.length) return { x: [-3, 3], y: [-3, 3] };
  const half = Math.max(0.05, high[0] - low[0], high[1] - low[1]) * 0.53;
  const range = (j: number): Point => [(low[j] + high[j]) / 2 - half, (low[j] + high[j]) / 2 + half];
  return { x: range(0), y: range(1) };
}

type Line = (value: number) => number;

function project(points: Float32Array, x: Line, y: Line): Float32Array {
  return points.map((value, i) => (i % 2 ? y(value) : x(value)));
}

/** Middles of the classes on the screen, in pixels, at least a numeral apart; undefined where a class has no point. */
export function centroids(
  labels: Int32Array,
  count: number,
  screen: Float32Array,
  size: number,
): (Point | undefined)[] {
  const sums = Array.from({ length: count }, () => [0, 0, 0]);
  labels.forEach((label, i) => {
    const sum = sums[label];
    if (!sum) return;
    sum[0] += screen[2 * i];
    sum[1] += screen[2 * i + 1];
    sum[2] += 1;
  });
  const found = sums.map(([a, b, n], c): Point | undefined => (n ? [a / n + 0.01 * c, b / n] : undefined));
  for (let round = 0; round < 200; round++)
    for (const [i, a] of found.entries())
      for (const b of found.slice(i + 1)) {
        if (!a || !b) continue;
        const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
        const distance = Math.hypot(dx, dy) || 1e-6;
        if (distance >= 22) continue;
        const push = (22 - distance) / 2 / distance;
        a[0] = clamp(a[0] - dx * push, [10, size - 10]);
        a[1] = clamp(a[1] - dy * push, [10, size - 10]);
        b[0] = clamp(b[0] + dx * push, [10, size - 10]);
        b[1] = clamp(b[1] + dy * push, [10, size - 10]);
      }
  return found;
}

const clamp = (value: number, [low, high]: Point) => Math.min(high, Math.max(low, value));
const mix = ([low, high]: Point, unit: number) => low + unit * (high - low);
