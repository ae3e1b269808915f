// Kernels on points of a line or a plane: the density, and beside it how well each point is predicted by the others.
import { useMemo, useRef, useState } from "preact/hooks";
import { useSignalEffect } from "@preact/signals";
import type { Host } from "../host";
import { Card, Columns, Large, Part } from "../parts/Card";
import { AxisBelow, AxisLeft, Curve, Dot, path, Plot, Text, useWidth } from "../parts/chart";
import { Button, Slider } from "../parts/controls";
import { dragged, Handle, place, slide } from "../parts/handle";
import { Image, type Look } from "../parts/Image";
import { normals } from "../parts/random";
import { limit, type Pair, scaleLinear, scaleLog, type Scale, short } from "../parts/scale";
import { densityOn, leaveOneOut, peak, scaleOf } from "./kernels";

type Points = number[][];
const HEIGHT = 380;
const [LEFT, TOP, FOOT] = [44, 20, 340]; // of the plane
const LINE = 320; // where points of a line lie
const MOST = 1000;
const CURVE = 60;
const CELL = 4;
const PAUSE = 250; // ms without a change before the selectors are asked again

/** The points as they are moved, the axes that hold them, and the bandwidth. */
function useDensity(host: Host) {
  const shared = host.trait<Points>("points");
  const bandwidth = host.trait<number>("bandwidth");
  const choices = host.trait<Record<string, number>>("choices");
  const given = useMemo(() => ({ points: shared.peek(), choices: choices.peek(), h: bandwidth.peek() }), []);
  const [points, setPoints] = useState(given.points);
  const [frame, setFrame] = useState(given.points); // the points that the axes were chosen for
  const [chosen, choose] = useState(0);
  const sent = useRef(given.points);
  const timer = useRef(0);
  const restart = (to: Points) => {
    setPoints(to);
    setFrame(to);
    choose(0);
  };
  useSignalEffect(() => {
    if (shared.value === sent.current) return;
    sent.current = shared.value;
    restart(shared.value);
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
    restart(to);
    bandwidth.value = h ?? to.length ** (-1 / (to[0].length + 4)) * scaleOf(to);
  };
  const scale = useMemo(() => scaleOf(frame), [frame]);
  const limits: Pair = [scale / 32, 5 * scale];
  const curve = useMemo(() => leaveOneOut(points, limits[1], CURVE), [points, scale]);
  const h = bandwidth.value;
  const score = useMemo(() => leaveOneOut(points, h)[0], [points, h]);
  const best = useMemo(() => limits[1] * 2 ** (-peak(curve) / 8), [curve]);
  const setBandwidth = (to: number) => (bandwidth.value = Number(limit(to, ...limits).toPrecision(3)));
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
  const acts = { choose, move, add, remove, show, setBandwidth };
  const curves = { h, limits, curve, score, best, choices: choices.value };
  return { ...acts, ...curves, given, points, frame, scale, chosen };
}

type State = ReturnType<typeof useDensity>;

export function Density({ host }: { host: Host }) {
  const state = useDensity(host);
  const { given, points, scale, h, limits, score, best, chosen, choose, add, remove, show, setBandwidth } = state;
  const dimension = points[0].length;
  const step = (by: number) => choose((chosen + by + points.length) % points.length);
  const View = dimension === 1 ? Line : Plane;
  const presets = {
    "too narrow": () => setBandwidth(best / 8),
    "too wide": () => setBandwidth(best * 4),
    "two clusters": () => show(clusters(dimension)),
    "one far away": () => show([...given.points.slice(0, MOST - 1), outlier(given.points)]),
  };
  return (
    <Card
      {...{ host, presets, reset: () => show(given.points, given.h) }}
      title="Kernel density"
      about={`a Gaussian of standard deviation h on each of ${points.length} points`}
    >
      <Columns widths="11 9">
        <Part title="The density" hint="click to add a point, drag one to move it">
          <View {...state} />
          <div class="line">
            <span class="muted">
              point {chosen + 1} of {points.length}, at {points[chosen].map(short).join(", ")}
            </span>
            <Button onClick={() => step(-1)} aria-label="previous point" is="‹" />
            <Button onClick={() => step(1)} aria-label="next point" is="›" />
            <Button onClick={remove} is="remove" />
            <Button onClick={() => add(points[chosen].map((v) => v + scale / 2))} is="add one beside" />
          </div>
        </Part>
        <Part title="How well the others predict a point" hint="drag the mark">
          <Likelihood {...state} />
          <div>
            <Large is={short(score).replace(/^−?\d+\.\d$/, (s) => `${s}0`)} /> nats per point, its own kernel left out
          </div>
          <Slider label="bandwidth h" value={h} limits={limits} logarithmic onInput={setBandwidth} />
          <p class="caption">
            If each point kept its own kernel, h → 0 would be best. Scott, Silverman and AVAE assume that the points are
            Gaussian; the others look at the points themselves.
          </p>
        </Part>
      </Columns>
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

const ends = (points: Points, c: number, margin: number): Pair => {
  const all = points.map((p) => p[c]);
  return [Math.min(...all) - margin, Math.max(...all) + margin];
};

/** Where a click adds a point. */
const Field = ({ width, add }: { width: number; add: (px: number, py: number) => void }) => (
  <rect
    class="field"
    x={LEFT}
    y={TOP}
    width={Math.max(0, width)}
    height={FOOT - TOP}
    onClick={(event) => add(...place(event.currentTarget.ownerSVGElement!, event))}
  />
);

function Line(props: State) {
  const { points, h, frame, scale, add } = props;
  return (
    <Plot height={HEIGHT} label="density of points on a line">
      {(w) => {
        const x = scaleLinear(ends(frame, 0, 1.2 * scale), [LEFT, w - 8]);
        const grid = Array.from({ length: 401 }, (_, i) => x.invert(LEFT + ((w - 52) * i) / 400));
        const density = densityOn(points, h, grid);
        const y = scaleLinear([0, Math.max(...density) * 1.05], [LINE, 30]);
        const line = (values: ArrayLike<number>) => grid.map((g, i): Pair => [x(g), y(values[i])]);
        const kernels = points.length > 60 ? [] : points.map((p) => densityOn([p], h, grid));
        const faint = 6 / (points.length + 10);
        return (
          <>
            <Field width={w - 52} add={(px) => add([x.invert(px)])} />
            <AxisLeft scale={y} name="density" at={LEFT} grid={w - 52} />
            {kernels.map((kernel, i) => (
              <Curve key={i} d={line(kernel.map((v) => v / points.length))} tone="muted" opacity={faint} />
            ))}
            <Curve d={`${path(line(density))}V${LINE}H${LEFT}Z`} tone="class-0" fill={0.2} width={0} />
            <Curve d={line(density)} tone="class-0" width={2} />
            <AxisBelow scale={x} name="z" at={332} ticks={7} />
            <Dots {...props} x={x} />
          </>
        );
      }}
    </Plot>
  );
}

function Plane(props: State) {
  const { points, h, frame, scale, add } = props;
  const [ref, width] = useWidth<HTMLDivElement>();
  const columns = Math.ceil((width - LEFT) / CELL);
  const rows = (FOOT - TOP) / CELL;
  const { x, y } = useMemo(() => {
    const [[x0, x1], [y0, y1]] = [ends(frame, 0, scale), ends(frame, 1, scale)];
    // one unit is as long up as across, so that kernels look round
    const unit = Math.max((x1 - x0) / columns, (y1 - y0) / rows) / 2;
    const around = (low: number, high: number, cells: number): Pair => {
      const middle = (low + high) / 2;
      return [middle - unit * cells, middle + unit * cells];
    };
    const x = scaleLinear(around(x0, x1, columns), [LEFT, LEFT + columns * CELL]);
    return { x, y: scaleLinear(around(y0, y1, rows), [FOOT, TOP]) };
  }, [frame, scale, columns]);
  const [cells, look] = useMemo(() => {
    const xs = Array.from({ length: columns }, (_, i) => x.invert(LEFT + (i + 0.5) * CELL));
    const ys = Array.from({ length: rows }, (_, j) => y.invert(TOP + (j + 0.5) * CELL));
    const found = densityOn(points, h, xs, ys);
    const limits: Pair = [0, found.reduce((a, b) => Math.max(a, b), 1e-300)];
    return [found, { picture: "map", limits } satisfies Look];
  }, [points, h, x]);
  const shape: [number, number, number] = [rows, columns, 1];
  return (
    <div ref={ref} class="plot" style={{ height: `${HEIGHT}px` }}>
      <div class="under" style={`left:${LEFT}px;top:${TOP}px;right:0;height:${rows * CELL}px`}>
        <Image pixels={cells} shape={shape} look={look} size={columns * CELL} label="density of the points" />
      </div>
      <svg width={width} height={HEIGHT} role="group" aria-label="points in the plane">
        <Field width={width - LEFT} add={(px, py) => add([x.invert(px), y.invert(py)])} />
        <AxisLeft scale={y} name="z₂" at={LEFT} />
        <AxisBelow scale={x} name="z₁" at={FOOT} ticks={7} />
        <Dots {...props} x={x} y={y} />
        <Text
          x={width - 8}
          y={34}
          class="end"
          tone="#fff"
          is={`brightest: ${short(look.limits[1])} per unit of area`}
        />
      </svg>
    </div>
  );
}

/** The points, each to be dragged; the chosen one moves by the keys as well. */
function Dots({ points, scale, chosen, choose, move, remove, x, y }: State & { x: Scale; y?: Scale }) {
  const at = (p: number[]): Pair => [x(p[0]), y ? y(p[1]) : LINE];
  const to = (i: number, point: number[]) =>
    move(i, y ? [inside(point[0], x), inside(point[1], y)] : [inside(point[0], x)]);
  const drag = (i: number, px: number, py: number) => to(i, [x.invert(px), y ? y.invert(py) : 0]);
  const point = points[chosen];
  const [cx, cy] = at(point);
  const key = (steps: number, across: boolean) => {
    const by = (steps * scale) / 20;
    to(chosen, y && !across ? [point[0], point[1] + by] : [point[0] + by, point[1]]);
  };
  return (
    <>
      {points.map((p, i) => {
        const [px, py] = at(p);
        const follow = dragged(
          (px, py) => drag(i, px, py),
          () => choose(i),
        );
        return (
          <g key={i} class="handle" {...follow} transform={`translate(${px} ${py})`}>
            <circle r={9} fill="transparent" />
            <Dot r={points.length > 300 ? 2 : 3} tone="#fff" rim="#14181f" width={1} />
          </g>
        );
      })}
      <g onKeyDown={(event) => event.key === "Delete" && remove()}>
        <Handle
          {...{ x: cx, y: cy, value: point[0], limits: x.domain(), onKey: key }}
          label={`point ${chosen + 1}`}
          words={point.map(short).join(", ")}
          onDrag={(px, py) => drag(chosen, px, py)}
          tone="vrrae"
          radius={5}
        />
      </g>
    </>
  );
}

const inside = (v: number, axis: Scale) => limit(v, Math.min(...axis.domain()), Math.max(...axis.domain()));

function Likelihood({ curve, limits, h, score, best, choices, setBandwidth }: State) {
  const high = limits[1];
  const names = Object.entries(choices).sort((a, b) => a[1] - b[1]);
  const top = 24 + 15 * Math.max(6, names.length);
  const most = Math.max(...curve);
  const y = scaleLinear([most - 4, most + 0.2], [262, top]);
  const low = (value: number) => Math.min(262, y(value)); // what is off the axis lies at its foot
  const valueAt = (b: number) => {
    const k = limit(8 * Math.log2(high / b), 0, curve.length - 2);
    const low = Math.floor(k);
    return curve[low] + (k - low) * (curve[low + 1] - curve[low]);
  };
  const ticks = [1, 2, 5].flatMap((d) => [-3, -2, -1, 0, 1, 2, 3].map((e) => d * 10 ** e));
  return (
    <Plot height={300} label="leave-one-out log likelihood against the bandwidth">
      {(w) => {
        const x = scaleLog(limits, [LEFT, w - 8]);
        const run = Array.from(curve, (value, k): Pair => [high * 2 ** (-k / 8), value]);
        const seen = run.filter(([, value]) => value >= most - 4);
        const here = x(limit(h, ...limits));
        const set = slide(x, h, limits, (steps) => h * 1.03 ** steps, best, setBandwidth);
        return (
          <>
            <AxisLeft scale={y} at={LEFT} grid={w - 52} />
            <Text x={10} y={8} is="leave-one-out log likelihood (nats per point)" />
            <AxisBelow scale={x} name="bandwidth h" at={264} ticks={ticks.filter((t) => t >= limits[0] && t <= high)} />
            <Curve d={seen.map(([b, value]) => [x(b), y(value)])} width={1.5} />
            {names.map(([name, choice], row) => {
              const go = () => setBandwidth(choice);
              const [px, text, foot] = [x(choice), 24 + 15 * row, low(valueAt(choice))];
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
                  <rect x={px - 4} y={text - 11} width={112} height={15} fill="transparent" />
                  <Curve d={`M${px} ${text - 8}V${foot}`} tone="class-0" opacity={0.5} />
                  <Dot x={px} y={foot} r={3} tone="class-0" />
                  <Text x={px + 5} y={text} class="halo" is={`${name} ${short(choice)}`} />
                </g>
              );
            })}
            {names.length === 0 && <Text x={x(best) + 8} y={top - 10} class="halo" is={`best ${short(best)}`} />}
            <Handle
              {...{ x: here, y: low(score), ...set }}
              label="bandwidth"
              words={`h = ${short(h)}, ${short(score)} nats per point`}
              tone="vrrae"
            />
            <Text
              x={here}
              y={low(score) + (score < most - 3 ? -14 : 25)}
              class="strong halo middle"
              is={`h = ${short(h)}`}
            />
          </>
        );
      }}
    </Plot>
  );
}
