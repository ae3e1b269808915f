// Kernels on points of a line or a plane: the density, and beside it how well each point is predicted by the others.
import { useMemo, useRef, useState } from "preact/hooks";
import { useSignalEffect } from "@preact/signals";
import type { Host } from "../host";
import { Card, Presets } from "../parts/Card";
import { Handle, place } from "../parts/handle";
import { Image } from "../parts/Image";
import { AxisBelow, AxisLeft, Plot, useWidth } from "../parts/Plot";
import { scaleLinear, scaleLog, type Scale } from "../parts/scale";
import { Slider, short } from "../parts/Slider";
import { densityOn, leaveOneOut, normals, peak, scaleOf } from "./kernels";

type Points = number[][];
const HEIGHT = 380;
const MOST = 1000;
const CURVE = 60;
const CELL = 4;
const PAUSE = 250; // ms without a change before the selectors are asked again

export function Density({ host }: { host: Host }) {
  const shared = host.trait<Points>("points");
  const bandwidth = host.trait<number>("bandwidth");
  const choices = host.trait<Record<string, number>>("choices");
  const given = useMemo(() => ({ points: shared.peek(), choices: choices.peek(), h: bandwidth.peek() }), []);
  const [points, setPoints] = useState(given.points);
  const [frame, setFrame] = useState(given.points); // the points that the axes were chosen for
  const [chosen, choose] = useState(0);
  const sent = useRef(given.points);
  const timer = useRef(0);
  useSignalEffect(() => {
    if (shared.value === sent.current) return;
    sent.current = shared.value;
    setPoints(shared.value);
    setFrame(shared.value);
    choose(0);
  });
  const edit = (to: Points) => {
    setPoints(to);
    if (Object.keys(choices.value).length) choices.value = {};
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => (shared.value = sent.current = to), PAUSE);
  };
  const show = (to: Points, h?: number) => {
    clearTimeout(timer.current);
    if (to !== shared.value) {
      choices.value = to === given.points ? given.choices : {};
      shared.value = to;
    }
    setPoints(to);
    setFrame(to);
    choose(0);
    bandwidth.value = h ?? to.length ** (-1 / (to[0].length + 4)) * scaleOf(to);
  };
  const dimension = points[0].length;
  const scale = useMemo(() => scaleOf(frame), [frame]);
  const high = 5 * scale;
  const curve = useMemo(() => leaveOneOut(points, high, CURVE), [points, high]);
  const h = bandwidth.value;
  const score = useMemo(() => leaveOneOut(points, h)[0], [points, h]);
  const best = useMemo(() => high * 2 ** (-peak(curve) / 8), [curve]);
  const setBandwidth = (to: number) =>
    (bandwidth.value = Number(Math.min(high, Math.max(high / 160, to)).toPrecision(3)));
  const move = (i: number, to: number[]) => edit(points.map((p, at) => (at === i ? to : p)));
  const add = (point: number[]) => {
    if (points.length >= MOST) return;
    edit([...points, point]);
    choose(points.length);
  };
  const remove = () => {
    const rest = points.filter((_, i) => i !== chosen);
    if (rest.length < 3 || rest.every((p) => p.every((v, c) => v === rest[0][c]))) return;
    edit(rest);
    choose(Math.max(0, chosen - 1));
  };
  const step = (by: number) => choose((chosen + by + points.length) % points.length);
  const View = dimension === 1 ? Line : Plane;
  return (
    <Card
      host={host}
      title="A density made of points"
      about={`a Gaussian of standard deviation h on each of ${points.length} points`}
    >
      <div class="columns" style={{ gridTemplateColumns: "minmax(0, 11fr) minmax(0, 9fr)" }}>
        <div>
          <h4>
            The density <span>click to add a point, drag one to move it</span>
          </h4>
          <View {...{ points, h, frame, scale, chosen, choose, move, add, remove }} />
          <div class="row">
            <span class="muted">
              point {chosen + 1} of {points.length}, at {points[chosen].map(short).join(", ")}
            </span>
            <button onClick={() => step(-1)} aria-label="previous point">
              ‹
            </button>
            <button onClick={() => step(1)} aria-label="next point">
              ›
            </button>
            <button onClick={remove}>take it away</button>
            <button onClick={() => add(points[chosen].map((v) => v + scale / 2))}>add one beside it</button>
          </div>
        </div>
        <div>
          <h4>
            How well the others predict a point <span>drag the mark</span>
          </h4>
          <Plot height={300} label="leave-one-out log likelihood against the bandwidth">
            {(w) => <Curve {...{ w, curve, high, h, score, best, choices: choices.value, setBandwidth }} />}
          </Plot>
          <div>
            <span class="large">{short(score).replace(/^−?\d+\.\d$/, (s) => `${s}0`)}</span> nats a point, the kernel on
            it left out
          </div>
          <Slider
            label="bandwidth h"
            value={h}
            min={high / 160}
            max={high}
            logarithmic
            onInput={(to) => setBandwidth(to)}
          />
          <p class="caption">
            With its own kernel kept each point would want h → 0. Scott, Silverman and AVAE take the points for a
            Gaussian; the others look at how they lie.
          </p>
        </div>
      </div>
      <Presets
        choices={{
          "too narrow": () => setBandwidth(best / 8),
          "too wide": () => setBandwidth(best * 4),
          "two clusters": () => show(clusters(dimension)),
          "one far away": () => show([...given.points.slice(0, MOST - 1), outlier(given.points)]),
          "the points given": () => show(given.points, given.h),
        }}
      />
    </Card>
  );
}

function clusters(dimension: number): Points {
  const draws = normals(160, 3);
  return Array.from({ length: 80 }, (_, i) =>
    Array.from({ length: dimension }, (_, c) => (c === 0 ? (i % 2 ? 2 : -2) : 0) + draws[2 * i + c] / 4),
  );
}

/** Eight spreads beyond the mean. */
function outlier(points: Points): number[] {
  const mean = (c: number) => points.reduce((sum, p) => sum + p[c], 0) / points.length;
  return points[0].map((_, c) => mean(c) + (c === 0 ? 8 * scaleOf(points) : 0));
}

interface ViewProps {
  points: Points;
  h: number;
  frame: Points;
  scale: number;
  chosen: number;
  choose: (i: number) => void;
  move: (i: number, to: number[]) => void;
  add: (point: number[]) => void;
  remove: () => void;
}

const ends = (points: Points, c: number, margin: number): [number, number] => {
  const all = points.map((p) => p[c]);
  return [Math.min(...all) - margin, Math.max(...all) + margin];
};

function Line(props: ViewProps) {
  const { points, h, frame, scale, add } = props;
  return (
    <Plot height={HEIGHT} label="density of points on a line">
      {(w) => {
        const x = scaleLinear(ends(frame, 0, 1.2 * scale), [44, w - 8]);
        const grid = Array.from({ length: 401 }, (_, i) => x.invert(44 + ((w - 52) * i) / 400));
        const density = densityOn(points, h, grid);
        const y = scaleLinear([0, Math.max(...density) * 1.05], [320, 30]);
        const path = (values: ArrayLike<number>) =>
          grid.map((g, i) => `${i ? "L" : "M"}${x(g)} ${y(values[i])}`).join("");
        const few = points.length <= 60;
        return (
          <>
            <rect
              x={44}
              y={20}
              width={Math.max(0, w - 52)}
              height={320}
              fill="transparent"
              style={{ cursor: "crosshair" }}
              onClick={(event) => add([x.invert(place(event.currentTarget.ownerSVGElement!, event)[0])])}
            />
            <AxisLeft scale={y} name="density" at={44} grid={w - 52} />
            <g pointer-events="none">
              {few &&
                points.map((p, i) => {
                  const kernel = densityOn([p], h, grid).map((v) => v / points.length);
                  return (
                    <path
                      key={i}
                      d={path(kernel)}
                      fill="none"
                      stroke="var(--muted)"
                      stroke-opacity={6 / (points.length + 10)}
                    />
                  );
                })}
              <path d={`${path(density)}L${x.range()[1]} 320L44 320Z`} fill="var(--class-0)" fill-opacity={0.2} />
              <path d={path(density)} fill="none" stroke="var(--class-0)" stroke-width={2} />
            </g>
            <AxisBelow scale={x} name="z" at={332} ticks={7} />
            <Dots {...props} x={x} />
          </>
        );
      }}
    </Plot>
  );
}

function Plane(props: ViewProps) {
  const { points, h, frame, scale, add } = props;
  const [ref, width] = useWidth<HTMLDivElement>();
  const left = 44;
  const columns = Math.ceil((width - left) / CELL);
  const rows = (HEIGHT - 60) / CELL;
  const drawn = useMemo(() => {
    const [x0, x1] = ends(frame, 0, scale);
    const [y0, y1] = ends(frame, 1, scale);
    // one unit is as long up as across, so that kernels look round
    const unit = Math.max((x1 - x0) / columns, (y1 - y0) / rows);
    const [dx, dy] = [(unit * columns) / 2, (unit * rows) / 2];
    const x = scaleLinear([(x0 + x1) / 2 - dx, (x0 + x1) / 2 + dx], [left, left + columns * CELL]);
    const y = scaleLinear([(y0 + y1) / 2 - dy, (y0 + y1) / 2 + dy], [20 + rows * CELL, 20]);
    return { x, y };
  }, [frame, scale, columns]);
  const { x, y } = drawn;
  const [cells, most] = useMemo(() => {
    const xs = Array.from({ length: columns }, (_, i) => x.invert(left + (i + 0.5) * CELL));
    const ys = Array.from({ length: rows }, (_, j) => y.invert(20 + (j + 0.5) * CELL));
    const found = densityOn(points, h, xs, ys);
    return [found, found.reduce((a, b) => Math.max(a, b), 1e-300)];
  }, [points, h, drawn]);
  const look = useMemo(() => ({ picture: "map" as const, limits: [0, most] as [number, number] }), [most]);
  return (
    <div ref={ref} style={{ position: "relative", height: `${HEIGHT}px` }}>
      <div class="under" style={`left:${left}px;top:20px;right:0;height:${rows * CELL}px`}>
        <Image
          pixels={cells}
          shape={[rows, columns, 1]}
          look={look}
          size={columns * CELL}
          label="density of the points"
        />
      </div>
      <svg width={width} height={HEIGHT} style={{ position: "relative" }} role="group" aria-label="points in the plane">
        <rect
          x={left}
          y={20}
          width={width - left}
          height={rows * CELL}
          fill="transparent"
          style={{ cursor: "crosshair" }}
          onClick={(event) => {
            const [px, py] = place(event.currentTarget.ownerSVGElement!, event);
            add([x.invert(px), y.invert(py)]);
          }}
        />
        <AxisLeft scale={y} name="z₂" at={left} />
        <AxisBelow scale={x} name="z₁" at={20 + rows * CELL} ticks={7} />
        <Dots {...props} x={x} y={y} />
        <text class="onmap" x={width - 8} y={34} text-anchor="end" fill="#fff">
          brightest: {short(most)} per unit of area
        </text>
      </svg>
    </div>
  );
}

interface DotsProps extends ViewProps {
  x: Scale;
  y?: Scale;
}

/** The points, each to be dragged; the chosen one moves by the keys as well. */
function Dots({ points, scale, chosen, choose, move, remove, x, y }: DotsProps) {
  const at = (p: number[]): [number, number] => [x(p[0]), y ? y(p[1]) : 320];
  const inside = (v: number, axis: Scale) =>
    Math.min(Math.max(...axis.domain()), Math.max(Math.min(...axis.domain()), v));
  const drag = (i: number, px: number, py: number) =>
    move(i, y ? [inside(x.invert(px), x), inside(y.invert(py), y)] : [inside(x.invert(px), x)]);
  const radius = points.length > 300 ? 2 : 3;
  const point = points[chosen];
  return (
    <>
      {points.map((p, i) => {
        const [cx, cy] = at(p);
        return (
          <g
            key={i}
            class="handle"
            onTouchStart={(event) => event.preventDefault()} // no scrolling under the finger
            onPointerDown={(event) => {
              event.currentTarget.setPointerCapture(event.pointerId);
              choose(i);
            }}
            onPointerMove={(event) =>
              event.currentTarget.hasPointerCapture(event.pointerId) &&
              drag(i, ...place(event.currentTarget.ownerSVGElement!, event))
            }
          >
            <circle cx={cx} cy={cy} r={9} fill="transparent" />
            <circle cx={cx} cy={cy} r={radius} class="dot" />
          </g>
        );
      })}
      <g onKeyDown={(event) => event.key === "Delete" && remove()}>
        <Handle
          x={at(point)[0]}
          y={at(point)[1]}
          label={`point ${chosen + 1}`}
          words={point.map(short).join(", ")}
          value={point[0]}
          min={x.domain()[0]}
          max={x.domain()[1]}
          onDrag={(px, py) => drag(chosen, px, py)}
          onKey={(steps, across) => {
            const by = (steps * scale) / 20;
            move(
              chosen,
              y && !across ? [point[0], inside(point[1] + by, y)] : [inside(point[0] + by, x), ...point.slice(1)],
            );
          }}
        >
          <circle class="ring" r={5} fill="var(--vrrae)" stroke="var(--paper)" stroke-width={2} />
        </Handle>
      </g>
    </>
  );
}

interface CurveProps {
  w: number;
  curve: Float64Array;
  high: number;
  h: number;
  score: number;
  best: number;
  choices: Record<string, number>;
  setBandwidth: (h: number) => void;
}

function Curve({ w, curve, high, h, score, best, choices, setBandwidth }: CurveProps) {
  const x = scaleLog([high / 160, high], [44, w - 8]);
  const names = Object.entries(choices).sort((a, b) => a[1] - b[1]);
  const top = 24 + 15 * Math.max(6, names.length);
  const most = Math.max(...curve);
  const y = scaleLinear([most - 4, most + 0.2], [262, top]);
  const low = (value: number) => Math.min(262, y(value)); // what is off the axis lies at its foot
  const bandwidths = Array.from(curve, (_, k) => high * 2 ** (-k / 8));
  const shown = bandwidths.map((b, k) => [b, curve[k]]).filter(([, value]) => value >= most - 4);
  const path = shown.map(([b, value], i) => `${i ? "L" : "M"}${x(b)} ${y(value)}`).join("");
  const valueAt = (b: number) => {
    const k = Math.min(curve.length - 2, Math.max(0, 8 * Math.log2(high / b)));
    const low = Math.floor(k);
    return curve[low] + (k - low) * (curve[low + 1] - curve[low]);
  };
  const ticks = [1, 2, 5].flatMap((d) => [-3, -2, -1, 0, 1, 2, 3].map((e) => d * 10 ** e));
  return (
    <>
      <AxisLeft scale={y} name="" at={44} grid={w - 52} />
      <text x={10} y={8}>
        mean log likelihood of a point, left out (nats)
      </text>
      <AxisBelow scale={x} name="bandwidth h" at={264} ticks={ticks.filter((t) => t >= high / 160 && t <= high)} />
      <path d={path} fill="none" stroke="var(--ink)" stroke-width={1.5} />
      {names.map(([name, choice], row) => {
        const go = () => setBandwidth(choice);
        const text = 24 + 15 * row;
        return (
          <g
            key={name}
            class="choice"
            role="button"
            tabindex={0}
            aria-label={`bandwidth of ${name}: ${short(choice)}`}
            onClick={go}
            onKeyDown={(event) => (event.key === "Enter" || event.key === " ") && (event.preventDefault(), go())}
          >
            <rect x={x(choice) - 4} y={text - 11} width={112} height={15} fill="transparent" />
            <path class="lead" d={`M${x(choice)} ${text - 8}V${low(valueAt(choice))}`} />
            <circle cx={x(choice)} cy={low(valueAt(choice))} r={3} fill="var(--class-0)" />
            <text class="halo" x={x(choice) + 5} y={text}>
              {name} {short(choice)}
            </text>
          </g>
        );
      })}
      {names.length === 0 && (
        <text class="halo" x={x(best) + 8} y={top - 10}>
          best {short(best)}
        </text>
      )}
      <Handle
        x={x(Math.min(high, Math.max(high / 160, h)))}
        y={low(score)}
        label="bandwidth"
        words={`h = ${short(h)}, ${short(score)} nats a point`}
        value={h}
        min={high / 160}
        max={high}
        colour="var(--vrrae)"
        onDrag={(px) => setBandwidth(x.invert(px))}
        onKey={(steps) => setBandwidth(steps ? h * 1.03 ** steps : best)}
      />
      <text
        class="strong halo"
        x={x(Math.min(high, Math.max(high / 160, h)))}
        y={low(score) + (score < most - 3 ? -14 : 25)}
        text-anchor="middle"
      >
        h = {short(h)}
      </text>
    </>
  );
}
