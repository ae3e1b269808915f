// AVAE's bandwidth over dimension and number of kernels, and what follows from it.
import { useMemo } from "preact/hooks";
import type { Host } from "../host";
import { Card, Presets } from "../parts/Card";
import { Handle } from "../parts/handle";
import { Image } from "../parts/Image";
import { path } from "../parts/path";
import { AxisBelow, AxisLeft, Plot, useWidth } from "../parts/Plot";
import { scaleLinear, scaleLog } from "../parts/scale";
import { Slider } from "../parts/Slider";

const SIZES: [number, number] = [1, 200];
const COUNTS: [number, number] = [50, 50_000];
const [LEFT, TOP, BELOW, HEIGHT] = [58, 22, 40, 400];
const LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.3];
const onMap = (h: number) => (h > 0.6 ? "#14181f" : "#fff"); // what can be read on the map there
const GRID = Array.from({ length: 121 }, (_, i) => -3 + i / 20);
const gauss = (x: number, s: number) => Math.exp(-0.5 * (x / s) ** 2) / (s * Math.sqrt(2 * Math.PI));
const words = (value: number) => value.toLocaleString("en");
/** The next whole number of three digits on the way from one value to another. */
const whole = (from: number, to: number, [low, high]: [number, number]) => {
  const near = Math.round(Number(to.toPrecision(3)));
  const next = near === from ? from + Math.sign(to - from) : near;
  return Math.min(high, Math.max(low, next));
};

export function BandwidthSurface({ host }: { host: Host }) {
  const size = host.trait<number>("latent_size");
  const count = host.trait<number>("num_centres");
  const surface = useMemo(() => host.array("_surface", Float32Array)!, []);
  const side = Math.sqrt(surface.length);
  const [l, m] = [size.value, count.value];
  const set = (to: number, of: number) => {
    size.value = whole(l, to, SIZES);
    count.value = whole(m, of, COUNTS);
  };
  const h = useMemo(() => {
    const at = (v: number, [low, high]: [number, number]) => (Math.log(v / low) / Math.log(high / low)) * (side - 1);
    return Math.exp(between(surface, side, at(l, SIZES), at(m, COUNTS)));
  }, [l, m]);
  const corrected = h / Math.sqrt(1 + h * h);
  const deviation = Math.sqrt(1 - corrected ** 2);
  return (
    <Card
      host={host}
      title="Many dimensions need wide kernels"
      about="AVAE's bandwidth h(l, m), before there are points"
    >
      <div class="columns" style={{ gridTemplateColumns: "minmax(0, 3fr) minmax(0, 2fr)" }}>
        <div>
          <h4>
            Bandwidth h for m kernels in l dimensions <span>drag the mark over the map</span>
          </h4>
          <Surface {...{ surface, side, l, m, h, set }} />
        </div>
        <div>
          <h4>What follows from it</h4>
          <Plot height={190} label="kernel, samples and prior">
            {(w) => <Shares {...{ w, corrected, deviation }} />}
          </Plot>
          <div class="numbers">
            <div>
              <span class="large">{h.toFixed(3)}</span> h, for kernels on samples of N(0, I)
            </div>
            <div>
              <span class="large" style={{ color: "var(--vrrae)" }}>
                {corrected.toFixed(3)}
              </span>{" "}
              h<sub>c</sub> = h ⁄ √(1 + h²), corrected: on codes that add up to the prior
            </div>
            <div>
              <span class="large" style={{ color: "var(--vae)" }}>
                {deviation.toFixed(3)}
              </span>{" "}
              √(1 − h<sub>c</sub>²), the standard deviation to sample from
            </div>
          </div>
          <Slider
            label="dimension l"
            value={l}
            min={SIZES[0]}
            max={SIZES[1]}
            logarithmic
            words={words}
            onInput={(to) => set(to, m)}
          />
          <Slider
            label="kernels m"
            value={m}
            min={COUNTS[0]}
            max={COUNTS[1]}
            logarithmic
            words={words}
            onInput={(to) => set(l, to)}
          />
        </div>
      </div>
      <Presets
        choices={{
          "a plane": () => set(2, m),
          "100 dimensions": () => set(100, m),
          "ten times the kernels": () => set(l, Math.min(10 * m, COUNTS[1])),
          "l = 10, m = 1,000": () => set(10, 1000),
        }}
      />
    </Card>
  );
}

/** The surface between its entries, by both neighbours in both directions. */
function between(surface: Float32Array, side: number, x: number, y: number): number {
  const [i, j] = [Math.min(side - 2, Math.floor(x)), Math.min(side - 2, Math.floor(y))];
  const [u, v] = [x - i, y - j];
  const row = (r: number) => (1 - u) * surface[r * side + i] + u * surface[r * side + i + 1];
  return (1 - v) * row(j) + v * row(j + 1);
}

interface SurfaceProps {
  surface: Float32Array;
  side: number;
  l: number;
  m: number;
  h: number;
  set: (l: number, m: number) => void;
}

function Surface({ surface, side, l, m, h, set }: SurfaceProps) {
  const [ref, width] = useWidth<HTMLDivElement>();
  const [w, tall] = [width - LEFT - 8, HEIGHT - TOP - BELOW];
  const cell = w / (side - 1);
  const x = scaleLog(SIZES, [LEFT, LEFT + w]);
  const y = scaleLog(COUNTS, [TOP + tall, TOP]);
  const { cells, look, lines } = useMemo(() => {
    const values = surface.map(Math.exp);
    // the first row of a picture is its top: the most kernels
    const flipped = Float32Array.from(values, (_, i) => values[(side - 1 - Math.floor(i / side)) * side + (i % side)]);
    const most = flipped.reduce((a, b) => Math.max(a, b));
    const look = { picture: "map" as const, limits: [0, most] as [number, number] };
    // the bandwidth rises with the dimension, so a contour crosses each row once
    const lines = LEVELS.map((level) => {
      const run: [number, number][] = [];
      for (let at = 1; at < flipped.length; at++)
        if (at % side && flipped[at - 1] < level && flipped[at] >= level) {
          const part = (level - flipped[at - 1]) / (flipped[at] - flipped[at - 1]);
          run.push([(at % side) - 1 + part, Math.floor(at / side)]);
        }
      return { level, run };
    });
    return { cells: flipped, look, lines };
  }, []);
  const px = (p: number[]): [number, number] => [LEFT + (p[0] / (side - 1)) * w, TOP + (p[1] / (side - 1)) * tall];
  return (
    <div ref={ref} style={{ position: "relative", height: `${HEIGHT}px` }}>
      <div class="under" style={`left:${LEFT}px;top:${TOP}px;width:${w}px;height:${tall}px`}>
        {/* half a cell lies beyond each end of the axes */}
        <div
          style={`transform:translate(${-cell / 2}px,${-tall / (side - 1) / 2}px) scale(1,${tall / w});transform-origin:0 0`}
        >
          <Image
            pixels={cells}
            shape={[side, side, 1]}
            look={look}
            size={w + cell}
            label="bandwidth by dimension and kernels"
          />
        </div>
      </div>
      <svg
        width={width}
        height={HEIGHT}
        style={{ position: "relative" }}
        role="group"
        aria-label="map of the bandwidth"
      >
        {lines.map(({ level, run }) => {
          const middle = run.length > 1 && px(run[Math.floor(run.length * 0.4)]);
          return (
            middle && (
              <g key={level} pointer-events="none">
                <path d={path(run.map(px))} fill="none" stroke={onMap(level)} stroke-opacity={0.6} />
                {run.length > side / 3 && (
                  <text style={{ fill: onMap(level) }} x={middle[0] + 4} y={middle[1] - 3}>
                    {level}
                  </text>
                )}
              </g>
            )
          );
        })}
        <AxisLeft scale={y} name="kernels m" at={LEFT} ticks={[50, 200, 1000, 5000, 20_000, 50_000]} format={words} />
        <AxisBelow scale={x} name="dimension l" at={TOP + tall} ticks={[1, 2, 5, 10, 20, 50, 100, 200]} />
        <Handle
          x={x(l)}
          y={y(m)}
          label="dimension and number of kernels"
          words={`l = ${l}, m = ${words(m)}, h = ${h.toFixed(3)}`}
          value={l}
          min={SIZES[0]}
          max={SIZES[1]}
          onDrag={(to, of) => set(x.invert(to), y.invert(of))}
          onKey={(steps, across) => {
            if (steps === 0) set(10, 1000);
            else if (across) set(l * 1.05 ** steps, m);
            else set(l, m * 1.05 ** steps);
          }}
        >
          <circle class="ring" r={8} fill="var(--vrrae)" stroke="#fff" stroke-width={2.5} />
        </Handle>
        <text
          class="strong"
          style={{ fill: onMap(h) }}
          x={x(l) + (x(l) > LEFT + 0.7 * w ? -14 : 14)}
          y={y(m) + (y(m) < TOP + 30 ? 16 : -6)}
          text-anchor={x(l) > LEFT + 0.7 * w ? "end" : "start"}
        >
          h = {h.toFixed(3)}
        </text>
      </svg>
    </div>
  );
}

/** Kernels on a narrower Gaussian add up to the prior: variances add. */
function Shares({ w, corrected, deviation }: { w: number; corrected: number; deviation: number }) {
  const x = scaleLinear([-3, 3], [8, w - 8]);
  const y = scaleLinear([0, Math.max(gauss(0, corrected), gauss(0, deviation)) * 1.02], [112, 14]);
  const curve = (s: number) => `M${GRID.map((g) => `${x(g)} ${y(gauss(g, s))}`).join("L")}`;
  const bar = scaleLinear([0, 1], [8, w - 8]);
  const share = corrected ** 2;
  return (
    <>
      <line class="hairline" x1={8} x2={w - 8} y1={112} y2={112} />
      <path d={curve(1)} fill="none" stroke="var(--muted)" stroke-dasharray="3 3" />
      <path d={curve(deviation)} fill="var(--vae)" fill-opacity={0.12} stroke="var(--vae)" />
      <path d={curve(corrected)} fill="var(--vrrae)" fill-opacity={0.15} stroke="var(--vrrae)" stroke-width={1.5} />
      <text x={w - 8} y={22} text-anchor="end">
        dashed: the prior N(0, 1)
      </text>
      <text x={w - 8} y={37} text-anchor="end" style={{ fill: "var(--vae)" }}>
        where codes lie
      </text>
      <text x={w - 8} y={52} text-anchor="end" style={{ fill: "var(--vrrae)" }}>
        a kernel
      </text>
      <rect x={8} y={132} width={bar(share) - 8} height={20} fill="var(--vrrae)" />
      <rect x={bar(share)} y={132} width={w - 8 - bar(share)} height={20} fill="var(--vae)" />
      <text x={8} y={168} style={{ fill: "var(--vrrae)" }}>
        variance of a kernel {share.toFixed(2)}
      </text>
      <text x={w - 8} y={168} text-anchor="end" style={{ fill: "var(--vae)" }}>
        variance of the codes {(1 - share).toFixed(2)}
      </text>
      <text x={w / 2} y={184} text-anchor="middle">
        the variance of the prior, 1, is shared
      </text>
    </>
  );
}
