// What β leaves of each coefficient: σ²/N and s², and the law that they add up to 1; exactly, or while a model trains.
import { useMemo, useRef } from "preact/hooks";
import type { Host } from "../host";
import { Card, Columns, Large, Part } from "../parts/Card";
import { apart, Bar, Chart, Curve, Lamp, Text } from "../parts/chart";
import { Button, Slider, usePlay } from "../parts/controls";
import { Handle, slide } from "../parts/handle";
import { limit, type Pair, type Scale, short } from "../parts/scale";
import { still } from "../theme";

const HEIGHT = 320;
const FLOOR = 0.01; // of the logarithmic axes, and below it a coefficient says nothing, as in metrics.active_units
const [LEFT, TOP, FOOT] = [46, 30, 46];

/** σ²/N and s² of each coefficient. */
type Moments = { signal: number[]; noise: number[] };

export function Spectrum({ host }: { host: Host }) {
  const beta = host.trait<number>("beta");
  const step = host.trait<number>("step");
  const squares = host.get<number[]>("eigenvalues");
  const betas = host.get<number[]>("_betas");
  const steps = host.get<number[]>("_steps");
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
  const [last, lastBeta] = [steps.length - 1, betas.length - 1];
  const now = recorded ? at(place, frame) : linear(beta.value);
  const awake = now.signal.map((signal) => signal > (recorded ? FLOOR : 1e-9));
  const count = awake.filter(Boolean).length;
  const off = Math.max(...now.signal.map((signal, j) => Math.abs(signal + now.noise[j] - 1)));
  const next = thresholds.filter((t) => t > beta.value).sort((a, b) => a - b)[0];
  const limits: Pair = [betas[0], betas[lastBeta]];
  const setBeta = (value: number) => (beta.value = Number(limit(value, ...limits).toPrecision(3)));
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
    recorded ? (beta.value = betas[limit(place + Math.sign(by), 0, lastBeta)]) : setBeta(beta.value * 1.05 ** by);

  const show = (n: number) => (step.value = steps[n]);
  const { playing, toggle } = usePlay(frame, last, show, 130);
  const trained = (b: number, n: number) => () => void ([beta.value, step.value] = [betas[b], steps[n]]);
  const [low, high] = [Math.min(...thresholds), Math.max(...thresholds)];
  const ends = [0, lastBeta - 2, lastBeta - 1].filter((b) => b >= 0);
  const presets: Record<string, () => void> = recorded
    ? {
        [`β = ${short(betas[0])}, halfway`]: trained(0, Math.floor(0.6 * last)),
        ...Object.fromEntries(ends.map((b) => [`β = ${short(betas[b])}, at the end`, trained(b, last)])),
      }
    : {
        "before the first is lost": () => setBeta(0.9 * low),
        "one is lost": () => setBeta(1.05 * low),
        "only one is left": () => setBeta(0.95 * high),
        "all are lost": () => setBeta(1.1 * high),
      };

  const grid = recorded ? betas : Array.from({ length: 160 }, (_, i) => betas[0] * (betas[1] / betas[0]) ** (i / 159));
  const curves = grid.map((b, i) => (recorded ? at(i, frame) : linear(b)));
  const most = recorded ? 1.5 * highest! : 1.05;
  const moments = recorded
    ? { domain: [FLOOR, most] as Pair, log: true, grid: true, ticks: 5 }
    : { domain: [0, most] as Pair, grid: true };
  const strengths = { name: "β", domain: limits, log: true, ticks: recorded ? betas : 5 };
  return (
    <Card
      {...{ host, presets }}
      title="Singular values and β"
      about={recorded ? `VRRAE, ${host.get<string>("_data")}, while it trains` : "linear VRRAE at its optimum, exactly"}
      reset={() => host.reset("beta", "step")}
    >
      <Columns widths="1 1">
        <Part title="Each coefficient" hint={`orange σ²/N, grey noise s²${recorded ? "; violet: a linear VRRAE" : ""}`}>
          <Bars {...{ now, awake }} top={highest} optimum={recorded && linear(beta.value)} />
        </Part>
        <Part title="Against β" hint="drag the line">
          <Chart
            height={HEIGHT}
            label="squares and variances against β"
            x={strengths}
            y={{ ...moments, name: "σ²/N and s²" }}
            edge={[TOP, 16, FOOT, LEFT]}
          >
            {(x, y, w) => {
              const line = (kind: keyof Moments, j: number) =>
                grid.map((b, i): Pair => [x(b), y(limit(curves[i][kind][j], ...moments.domain))]);
              const marks = apart(thresholds.map(x), 12, LEFT, w - 16);
              const foot = HEIGHT - FOOT;
              const words = `β = ${short(beta.value)}, ${count} of ${rank} awake`;
              const set = {
                ...slide(x, beta.value, limits, 0, 0, setBeta),
                onDrag: (px: number) => drag(limit(px, LEFT, w - 16), x),
                onKey: (by: number) => (by ? shift(by) : host.reset("beta")),
              };
              return (
                <>
                  {squares.map((_, j) => (
                    <Curve key={j} d={line("noise", j)} tone="muted" dash="3 3" />
                  ))}
                  {squares.map((_, j) => (
                    <Curve key={j} d={line("signal", j)} tone="vrrae" width={2} opacity={1 - (0.6 * j) / rank} />
                  ))}
                  <Curve d={`M${LEFT} ${y(1)}H${w - 16}`} />
                  {thresholds.map((t, j) => (
                    <g key={j}>
                      <Curve d={`M${x(t)} ${TOP - 8}V${foot}`} tone="kl" opacity={0.35} dash="1 3" />
                      <Text x={marks[j]} y={TOP - 12} class="middle" tone="kl" is={j + 1} />
                    </g>
                  ))}
                  <Curve d={`M${x(beta.value)} ${TOP}V${foot}`} width={1.5} />
                  <Handle x={x(beta.value)} y={(TOP + foot) / 2} label="β" words={words} {...set} />
                </>
              );
            }}
          </Chart>
          <p class="caption">
            Solid: σ²/N. Dashed: s². Violet numbers: the thresholds 2λ² at which a linear VRRAE loses each coefficient.
          </p>
        </Part>
      </Columns>
      <Columns widths={recorded ? "1 1" : "1"}>
        <div>
          <Large is={`β = ${short(beta.value)}`} />{" "}
          <b>
            {count} of {rank} awake
          </b>
          {recorded
            ? `, and the law σ²/N + s² = 1 is ${off < 0.05 ? "met" : `missed by up to ${short(Number(off.toPrecision(2)))}`}`
            : `${next ? `; the next is lost at β = ${short(next)}` : ""}. Signal and noise add up to 1; once β/2 exceeds λ², only noise is left.`}
        </div>
        {recorded && (
          <div class="line noise">
            <Button
              onClick={() => (still() ? show(last) : toggle())}
              aria-label={playing ? "pause" : "play the training"}
              is={playing ? "❚❚" : "▶"}
            />
            <Slider
              label="training"
              value={frame}
              limits={[0, last]}
              step={1}
              words={(n) => `step ${steps[n]} of ${steps[last]}`}
              onInput={show}
            />
          </div>
        )}
      </Columns>
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
  const count = now.signal.length;
  const domain: Pair = top ? [FLOOR, 1.5 * top] : [0, 1.12];
  const up = { name: "σ²/N + s²", domain, log: top !== null, grid: true };
  const across = { domain: [0, count] as Pair, ticks: [] };
  return (
    <Chart height={HEIGHT} label="signal and noise of each coefficient" x={across} y={up} edge={[TOP, 8, FOOT, LEFT]}>
      {(x, y, w) => {
        const foot = HEIGHT - FOOT;
        const height = (value: number) => y(limit(value, ...domain));
        const wide = limit((x(1) - x(0)) * 0.76, 1, 54);
        return (
          <>
            {now.signal.map((signal, j) => {
              const noise = now.noise[j];
              const [base, tip] = [height(signal), height(signal + noise)];
              const tall = foot - base > 24;
              const said = signal < 0.005 ? "0" : signal < 10 ? signal.toFixed(2) : short(signal);
              return (
                <g key={j} transform={`translate(${x(j + 0.5)} 0)`}>
                  <title>{`coefficient ${j + 1}: σ²/N ${short(signal)}, s² ${short(noise)}`}</title>
                  <Bar x={-wide / 2} y={tip} width={wide} height={base - tip} tone="faint" opacity={0.45} />
                  <Bar x={-wide / 2} y={base} width={wide} height={foot - base} />
                  {optimum && optimum.signal[j] > FLOOR && (
                    <Curve
                      d={`M${-wide / 2 - 3} ${y(optimum.signal[j])}h${wide + 6}`}
                      tone="kl"
                      width={1.5}
                      dash="3 2"
                    />
                  )}
                  <Text
                    y={tall ? foot - 9 : base - 6}
                    class={tall ? "bold middle" : "strong halo middle"}
                    tone={tall ? "paper" : undefined}
                    is={said}
                  />
                  <Text y={foot + 14} class="middle" is={j + 1} />
                  <Lamp y={foot + 26} r={5} on={awake[j]} />
                </g>
              );
            })}
            <Curve d={`M${LEFT} ${y(1)}H${w - 8}`} width={1.5} />
            <Text x={LEFT} y={HEIGHT - 2} is="coefficient" />
            <Text x={w - 8} y={top ? TOP - 14 : y(1) - 6} class="halo end" is="line: the law, σ²/N + s² = 1" />
          </>
        );
      }}
    </Chart>
  );
}
