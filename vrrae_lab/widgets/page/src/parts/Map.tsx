// A plane of two coefficients: the data as points, numerals where classes lie, what is decoded where, and a marker.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { colour, theme } from "../theme";
import { densityOn } from "../widgets/kernels";
import { AxisBelow, AxisLeft, Curve, Dot, Text, useWidth } from "./chart";
import { contour } from "./contour";
import type { Point } from "./eigen";
import { Handle, place } from "./handle";
import { Image, inks, type Look, paint } from "./Image";
import { limit, type Scale, scaleLinear, short } from "./scale";

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
  const screen = useMemo(() => points.map((value, i) => (i % 2 ? y(value) : x(value))), [points, size]);
  const [hover, setHover] = useState(-1);
  const [painting, setPainting] = useState<Point[]>([]);
  const down = useRef<Point | null>(null);

  const found = (px: number, py: number) => (grid ? -1 : nearest(screen, px, py));
  const where = (event: PointerEvent): Point => {
    const [px, py] = place(event.currentTarget as SVGSVGElement, event);
    return [px - EDGE.left, py - EDGE.top];
  };
  const inside = ([a, b]: Point): Point => [limit(a, ...plane.x), limit(b, ...plane.y)];
  const value = ([px, py]: Point) => inside([x.invert(px), y.invert(py)]);
  const far = (event: PointerEvent) => Math.hypot(...where(event).map((v, c) => v - down.current![c])) >= 3;
  const press = (event: PointerEvent & { currentTarget: SVGElement }) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    down.current = where(event);
    if (onPath) setPainting([value(down.current)]);
    else if (found(...down.current) < 0) onMove(value(down.current));
  };
  const drag = (event: PointerEvent) => {
    const now = where(event);
    if (!down.current) return event.pointerType === "mouse" && setHover(found(...now));
    if (!far(event)) return;
    if (hover >= 0) setHover(-1);
    if (onPath) setPainting((before) => [...before, value(now)]);
    else onMove(value(now));
  };
  const lift = (event: PointerEvent) => {
    if (down.current && onPath) {
      if (painting.length > 1) onPath(painting);
      setPainting([]);
    } else if (down.current && !far(event) && found(...where(event)) >= 0) onPick(found(...where(event)));
    down.current = null;
  };
  const step = (plane.x[1] - plane.x[0]) / 80;
  const key = (n: number, across: boolean) =>
    onMove(n ? inside(across ? [at[0] + step * n, at[1]] : [at[0], at[1] + step * n]) : [0, 0]);
  const shown = trail && !painting.length ? trail : { points: painting, family, line: true };
  const painted = shown.points.map(([a, b]): Point => [x(a), y(b)]);
  const marker = inside(at);
  const laid = { ...props, x, y, screen, size };

  return (
    <div ref={ref} class="plot" style={{ height: `${size + EDGE.top + EDGE.bottom}px` }}>
      <Ground {...laid} />
      <svg
        class="map"
        width={size + EDGE.left + EDGE.right}
        height={size + EDGE.top + EDGE.bottom}
        role="group"
        aria-label={`map of ${axes[0]} and ${axes[1]}`}
        onPointerDown={press}
        onPointerMove={drag}
        onPointerUp={lift}
        onPointerLeave={() => setHover(-1)}
      >
        <g transform={`translate(${EDGE.left} ${EDGE.top})`}>
          <rect width={size} height={size} fill="transparent" />
          <AxisLeft scale={y} at={0} ticks={5} />
          <AxisBelow scale={x} name={`${axes[0]} →`} at={size} />
          <Text x={-EDGE.left + 2} y={-7} is={`${axes[1]} ↑`} />
          {!grid && <Numerals {...laid} />}
          {shown.line && painted.length > 1 && <Curve d={painted} tone={shown.family} width={2.5} />}
          {!shown.line &&
            painted.map(([px, py], i) => {
              const here = limit(px, 0, size) === px && limit(py, 0, size) === py;
              return here && <Dot key={i} x={px} y={py} r={4} tone={shown.family} rim="paper" width={1} />;
            })}
          {others.map(({ at, family, name }) => (
            <g key={name} transform={`translate(${x(at[0])} ${y(at[1])})`}>
              <Dot r={6} tone="none" rim={family} />
              <Text x={10} class="halo level" tone={family} is={name} />
            </g>
          ))}
          <Handle
            {...{ x: x(marker[0]), y: y(marker[1]), value: at[0], limits: plane.x, onKey: key }}
            label={`${axes[0]} and ${axes[1]}`}
            words={`${at[0].toFixed(2)} and ${at[1].toFixed(2)}`}
            onDrag={() => {}}
          >
            <Dot class="ring" r={9} tone="none" rim="ink" width={2.5} />
            <Dot r={2.5} tone="ink" />
          </Handle>
        </g>
      </svg>
      {hover >= 0 && <Tip {...laid} i={hover} />}
    </div>
  );
}

interface GroundProps extends MapProps {
  x: Scale;
  y: Scale;
  /** The points in pixels. */
  screen: Float32Array;
  size: number;
}

/** Points, contours or decodes: what stays as it is while the marker moves. */
function Ground(props: GroundProps) {
  const { points, labels, screen, size, grid = 0, decode, density, family } = props;
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
    if (grid && decode) return sheet(context, props);
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
  const place = `left:${EDGE.left}px;top:${EDGE.top}px;width:${size}px;height:${size}px;border-radius:8px`;
  return <canvas ref={ref} class="under" aria-hidden="true" style={place} />;
}

/** Draw a grid of images, some in each frame; returns what ends it. */
function sheet(context: CanvasRenderingContext2D, { shape, look, grid: count = 0, decode, size, x, y }: GroundProps) {
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
      paint(
        image.data,
        decode!([x.invert((column + 0.5) * side), y.invert((row + 0.5) * side)]),
        shape[2],
        look,
        tones,
      );
      inner.putImageData(image, 0, 0);
      context.drawImage(cell, column * side + GUTTER / 2, row * side + GUTTER / 2, side - GUTTER, side - GUTTER);
    }
    if (next < count * count) frame = requestAnimationFrame(some);
  };
  some();
  return () => cancelAnimationFrame(frame);
}

/** A numeral at the middle of each class, near ones pushed apart. */
function Numerals({ labels, classes, screen, size }: GroundProps) {
  const middles = useMemo(() => (labels ? centroids(labels, classes.length, screen, size) : []), [labels, screen]);
  return (
    <g aria-hidden="true">
      {middles.map((middle, c) => {
        const names = classes[c].length > 2 ? "bold halo level middle" : "bold halo level middle numeral";
        return (
          middle && <Text key={c} x={middle[0]} y={middle[1]} class={names} tone={`class-${c % 10}`} is={classes[c]} />
        );
      })}
    </g>
  );
}

/** What the point under the pointer is. */
function Tip({ i, screen, size, points, labels, classes, thumbnail, shape, look }: GroundProps & { i: number }) {
  const [left, top] = [EDGE.left + screen[2 * i], EDGE.top + screen[2 * i + 1]];
  const image = thumbnail(i);
  const name = labels && labels[i] >= 0 ? classes[labels[i]] : `image ${i}`;
  const across = left > size * 0.6 + EDGE.left ? `right:calc(100% - ${left - 12}px)` : `left:${left + 12}px`;
  return (
    <div class="tip" style={`${across};top:${Math.max(0, top - 60)}px`}>
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
  const [low, high] = [
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ];
  points.forEach((value, i) => {
    low[i % 2] = Math.min(low[i % 2], value);
    high[i % 2] = Math.max(high[i % 2], value);
  });
  if (!points.length) return { x: [-3, 3], y: [-3, 3] };
  const half = Math.max(0.05, high[0] - low[0], high[1] - low[1]) * 0.53;
  const range = (j: number): Point => [(low[j] + high[j]) / 2 - half, (low[j] + high[j]) / 2 + half];
  return { x: range(0), y: range(1) };
}

/** Middles of the classes on the screen, in pixels, at least a `gap` apart; undefined where a class has no point. */
export function centroids(
  labels: Int32Array,
  count: number,
  screen: Float32Array,
  size: number,
  gap = 22,
): (Point | undefined)[] {
  const sums = Array.from({ length: count }, () => [0, 0, 0]);
  labels.forEach((label, i) => {
    [screen[2 * i], screen[2 * i + 1], 1].forEach((part, c) => sums[label] && (sums[label][c] += part));
  });
  const found = sums.map(([a, b, n], c): Point | undefined => (n ? [a / n + 0.01 * c, b / n] : undefined));
  for (let round = 0; round < 200; round++)
    for (const [i, a] of found.entries())
      for (const b of found.slice(i + 1)) {
        if (!a || !b) continue;
        const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
        const distance = Math.hypot(dx, dy) || 1e-6;
        if (distance >= gap) continue;
        const push = (gap - distance) / 2 / distance;
        for (const [place, sign] of [
          [a, -1],
          [b, 1],
        ] as const) {
          place[0] = limit(place[0] + sign * dx * push, 10, size - 10);
          place[1] = limit(place[1] + sign * dy * push, 10, size - 10);
        }
      }
  return found;
}
