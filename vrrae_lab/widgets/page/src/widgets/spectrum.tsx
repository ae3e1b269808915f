// What β leaves of each coefficient: σ²/N and s², and the law that they add up to 1; exactly, or while a model trains.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Host } from "../host";
import { Card, Presets } from "../parts/Card";
import { Handle } from "../parts/handle";
import { apart, AxisBelow, AxisLeft, Plot } from "../parts/Plot";
import { path } from "../parts/path";
import { type Scale, scaleLinear, scaleLog } from "../parts/scale";
import { limit, short, Slider } from "../parts/Slider";
import { still } from "../theme";

const HEIGHT = 320;
const FLOOR = 0.01; // of the logarithmic axes, and below it a coefficient says nothing, as in metrics.active_units
const [LEFT, TOP, FOOT] = [46, 30, 60];

/** σ²/N and s² of each coefficient. */
type Moments = { signal: number[]; noise: number[] };

export function Spectrum({ host }: { host: Host }) {
  const beta = host.trait<number>("beta");
  const step = host.trait<number>("step");
  const squares = host.get<number[]>("eigenvalues");
  const betas = host.get<number[]>("_betas");
  const steps = host.get<number[]>("_steps");
  const data = host.get<string>("_data");
  const rank = squares.length;
  const recorded = useMemo(() => host.array("_moments", Float32Array), [host]);
  const thresholds = squares.map((square) => 2 * square);
  const linear = (b: number): Moments => {
    const noise = thresholds.map((t) => Math.min(b / t, 1));
    return { signal: noise.map((s) => 1 - s), noise };
  };
  const at = (b: number, n: number): Moments => {
    const from = 2 * rank * (b * steps.length + n);
    const row = (k: number) => Array.from(recorded!.subarray(from + k * rank, from + (k + 1) * rank));
    return { signal: row(0), noise: row(1) };
  };
  // of σ²/N: a variance that has left its bounds for a few steps is cut off
  const highest = recorded && Math.max(...recorded.filter((_, i) => i % (2 * rank) < rank));
  const [place, frame] = [betas.indexOf(beta.value), steps.indexOf(step.value)];
  const now = recorded ? at(place, frame) : linear(beta.value);
  const awake = now.signal.map((signal) => signal > (recorded ? FLOOR : 1e-9));
  const count = awake.filter(Boolean).length;
  const off = Math.max(...now.signal.map((signal, j) => Math.abs(signal + now.noise[j] - 1)));
  const next = thresholds.filter((t) => t > beta.value).sort((a, b) => a - b)[0];
  const setBeta = (value: number) =>
    (beta.value = Number(limit(value, betas[0], betas[betas.length - 1]).toPrecision(3)));
  // from one recorded β to the next as soon as a finger is a fifth of the way there
  const finger = useRef(0);
  const drag = (px: number, x: Scale) => {
    const way = px - finger.current;
    finger.current = px;
    if (!recorded) return setBeta(x.invert(px));
    const share = way > 0 ? 0.2 : 0.8;
    const passed = betas.slice(1).filter((b, i) => px >= x(betas[i]) + share * (x(b) - x(betas[i])));
    if (way) beta.value = betas[passed.length];
  };
  const shift = (by: number) =>
    recorded
      ? (beta.value = betas[limit(place + Math.sign(by), 0, betas.length - 1)])
      : setBeta(beta.value * 1.05 ** by);

  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    const timer = setInterval(() => {
      const to = steps.indexOf(step.peek()) + 1;
      if (to >= steps.length) return setPlaying(false);
      step.value = steps[to];
    }, 130);
    return () => clearInterval(timer);
  }, [playing]);
  const play = () => {
    if (still()) return void (step.value = steps[steps.length - 1]);
    if (!playing && frame === steps.length - 1) step.value = steps[0];
    setPlaying(!playing);
  };
  const trained = (b: number, n: number) => () => {
    beta.value = betas[b];
    step.value = steps[n];
  };
  const [low, high] = [Math.min(...thresholds), Math.max(...thresholds)];
  const last = steps.length - 1;
  const choices: Record<string, () => void> = recorded
    ? {
        [`β = ${short(betas[0])}, half-way`]: trained(0, Math.floor(0.6 * last)),
        ...Object.fromEntries(
          [0, betas.length - 3, betas.length - 2]
            .filter((b) => b >= 0)
            .map((b) => [`β = ${short(betas[b])}, at the end`, trained(b, last)]),
        ),
      }
    : {
        "before the first is lost": () => setBeta(0.9 * low),
        "one is lost": () => setBeta(1.05 * low),
        "only one is left": () => setBeta(0.95 * high),
        "all are lost": () => setBeta(1.1 * high),
      };
  return (
    <Card
      host={host}
      title="Singular values and β"
      about={recorded ? `VRRAE, ${data}, while it trains` : "linear VRRAE at its optimum, exactly"}
    >
      <div class="columns" style={{ gridTemplateColumns: "minmax(0, 1fr) minmax(0, 1fr)" }}>
        <div>
          <h4>
            Each coefficient <span>what it says, σ²/N, and its noise, s²</span>
          </h4>
          <Bars {...{ now, awake }} top={highest} optimum={recorded && linear(beta.value)} />
        </div>
        <div>
          <h4>
            Against β <span>drag the line</span>
          </h4>
          <Plot height={HEIGHT} label="squares and variances against β">
            {(w) => {
              const x = scaleLog([betas[0], betas[betas.length - 1]], [LEFT, w - 16]);
              const grid = recorded
                ? betas
                : Array.from({ length: 160 }, (_, i) => betas[0] * (betas[1] / betas[0]) ** (i / 159));
              const curves = grid.map((b, i) => (recorded ? at(i, frame) : linear(b)));
              const most = highest ?? 1.05;
              const range = [HEIGHT - FOOT + 14, TOP];
              const y = recorded ? scaleLog([FLOOR, most * 1.5], range) : scaleLinear([0, most], range);
              const line = (kind: keyof Moments, j: number) =>
                path(grid.map((b, i) => [x(b), y(limit(curves[i][kind][j], recorded ? FLOOR : 0, most * 1.5))]));
              const marks = apart(thresholds.map(x), 12, LEFT, w - 16);
              return (
                <>
                  <AxisLeft scale={y} name="σ²/N and s²" at={LEFT - 4} grid={w - LEFT - 12} ticks={recorded ? 5 : 4} />
                  <AxisBelow scale={x} name="β" at={range[0]} ticks={recorded ? betas : 5} />
                  {squares.map((_, j) => (
                    <path key={`s${j}`} d={line("noise", j)} fill="none" stroke="var(--muted)" stroke-dasharray="3 3" />
                  ))}
                  {squares.map((_, j) => (
                    <path
                      key={j}
                      d={line("signal", j)}
                      fill="none"
                      stroke="var(--vrrae)"
                      stroke-width={2}
                      stroke-opacity={1 - (0.6 * j) / rank}
                    />
                  ))}
                  <line x1={LEFT} x2={w - 16} y1={y(1)} y2={y(1)} stroke="var(--ink)" />
                  {thresholds.map((t, j) => (
                    <g key={j}>
                      <path
                        d={`M${x(t)} ${TOP - 8}V${range[0]}`}
                        stroke="var(--kl)"
                        stroke-opacity={0.35}
                        stroke-dasharray="1 3"
                      />
                      <text x={marks[j]} y={TOP - 12} text-anchor="middle" style={{ fill: "var(--kl)" }}>
                        {j + 1}
                      </text>
                    </g>
                  ))}
                  <line
                    x1={x(beta.value)}
                    x2={x(beta.value)}
                    y1={TOP}
                    y2={range[0]}
                    stroke="var(--ink)"
                    stroke-width={1.5}
                  />
                  <Handle
                    x={x(beta.value)}
                    y={(TOP + range[0]) / 2}
                    label="β"
                    words={`β = ${short(beta.value)}, ${count} of ${rank} awake`}
                    value={beta.value}
                    min={betas[0]}
                    max={betas[betas.length - 1]}
                    onDrag={(px) => drag(limit(px, LEFT, w - 16), x)}
                    onKey={(by) => (by ? shift(by) : host.reset("beta"))}
                  />
                </>
              );
            }}
          </Plot>
          <p class="caption">
            Solid: σ²/N. Dashed: s². Violet numbers: the thresholds 2λ² at which a linear VRRAE loses each coefficient.
          </p>
        </div>
      </div>
      <div
        class="columns"
        style={{ gridTemplateColumns: recorded ? "minmax(0, 1fr) minmax(0, 1fr)" : "minmax(0, 1fr)" }}
      >
        <div>
          <span class="large">β = {short(beta.value)}</span>{" "}
          <b>
            {count} of {rank} awake
          </b>
          {recorded ? (
            <span>
              , and the law σ²/N + s² = 1 is{" "}
              {off < 0.05 ? "met" : `missed by up to ${short(Number(off.toPrecision(2)))}`}
            </span>
          ) : (
            <span>
              {next ? `; the next is lost at β = ${short(next)}` : ""}. Signal and noise add up to 1: where β/2 passes
              λ², only noise is left.
            </span>
          )}
        </div>
        {recorded && (
          <div style={{ display: "flex", gap: "12px", alignItems: "center" }}>
            <button onClick={play} aria-label={playing ? "pause" : "play the training"}>
              {playing ? "❚❚" : "▶"}
            </button>
            <div style={{ flex: 1 }}>
              <Slider
                label="training"
                value={frame}
                min={0}
                max={last}
                step={1}
                words={(n) => `step ${steps[Math.round(n)]} of ${steps[last]}`}
                onInput={(n) => (step.value = steps[Math.round(n)])}
              />
            </div>
          </div>
        )}
      </div>
      <Presets choices={choices} onReset={() => host.reset("beta", "step")} />
    </Card>
  );
}

interface BarsProps {
  now: Moments;
  awake: boolean[];
  /** The highest of a record, whose axis is logarithmic. */
  top: number | null;
  optimum: Moments | null;
}

function Bars({ now, awake, top, optimum }: BarsProps) {
  return (
    <Plot height={HEIGHT} label="signal and noise of each coefficient">
      {(w) => {
        const range = [HEIGHT - FOOT + 14, TOP];
        const y = top ? scaleLog([FLOOR, 1.5 * top], range) : scaleLinear([0, 1.12], range);
        const height = (value: number) => y(limit(value, top ? FLOOR : 0, top ? 1.5 * top : 1.12));
        const room = (w - LEFT - 8) / now.signal.length;
        const wide = limit(room * 0.76, 1, 54);
        return (
          <>
            <AxisLeft scale={y} name="σ²/N + s²" at={LEFT - 4} grid={w - LEFT} />
            {now.signal.map((signal, j) => {
              const x = LEFT + room * (j + 0.5);
              const noise = now.noise[j];
              return (
                <g key={j} transform={`translate(${x} 0)`}>
                  <title>{`coefficient ${j + 1}: σ²/N ${short(signal)}, s² ${short(noise)}`}</title>
                  <rect
                    x={-wide / 2}
                    width={wide}
                    y={height(signal + noise)}
                    height={height(signal) - height(signal + noise)}
                    fill="var(--faint)"
                    fill-opacity={0.45}
                  />
                  <rect
                    x={-wide / 2}
                    width={wide}
                    y={height(signal)}
                    height={range[0] - height(signal)}
                    fill="var(--vrrae)"
                  />
                  {optimum && optimum.signal[j] > FLOOR && (
                    <path
                      d={`M${-wide / 2 - 3} ${y(optimum.signal[j])}h${wide + 6}`}
                      stroke="var(--kl)"
                      stroke-width={1.5}
                      stroke-dasharray="3 2"
                    />
                  )}
                  <text class="strong halo" y={height(signal) - 6} text-anchor="middle">
                    {signal < 0.005 ? "0" : signal < 10 ? signal.toFixed(2) : short(signal)}
                  </text>
                  <circle
                    cy={HEIGHT - FOOT + 40}
                    r={5}
                    fill={awake[j] ? "var(--awake)" : "none"}
                    stroke={awake[j] ? "var(--awake)" : "var(--faint)"}
                    stroke-width={1.5}
                  />
                  <text y={HEIGHT - FOOT + 28} text-anchor="middle">
                    {j + 1}
                  </text>
                </g>
              );
            })}
            <line x1={LEFT} x2={w} y1={y(1)} y2={y(1)} stroke="var(--ink)" stroke-width={1.5} />
            <text class="halo" x={w} y={top ? TOP - 14 : y(1) - 6} text-anchor="end">
              line: the law, σ²/N + s² = 1
            </text>
            <text x={w} y={HEIGHT - 2} text-anchor="end">
              number: σ²/N; grey: s²{optimum && "; violet: σ²/N of a linear VRRAE"}
            </text>
          </>
        );
      }}
    </Plot>
  );
}
