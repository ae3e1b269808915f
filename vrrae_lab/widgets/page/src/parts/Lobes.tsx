// The coefficients of a model, side by side: what each says over the data against the prior, how surely, and a lamp.
import { scaleLinear } from "./scale";
import { Handle } from "./handle";
import { band } from "./path";
import { Plot } from "./Plot";
import { short } from "./Slider";

/** What one coefficient says over the data. */
export interface Lobe {
  /** Its number in the model, from 1. */
  number: number;
  /** How often it takes values around `PLACES`, in the prior's units: 1 is the prior's highest density. */
  density: ArrayLike<number>;
  /** Mean and standard deviation over the data. */
  middle: number;
  spread: number;
  awake: boolean;
  /** Mean over the data, in nats; none for a deterministic model. */
  kl?: number;
}

interface LobesProps {
  lobes: Lobe[];
  /** The model's colour: "vae". */
  family: string;
  /** Values of the coefficients now, and the standard deviation of each; in the order of `lobes`. */
  values?: ArrayLike<number>;
  deviations?: ArrayLike<number> | null;
  /** Given where the handles can be dragged. */
  onMove?: (place: number, value: number) => void;
  onFocus?: (place: number) => void;
  height?: number;
  /** The axis goes from −reach to reach. */
  reach?: number;
  /** Whether the coefficients have a prior to be held against. */
  prior?: boolean;
}

const BINS = 61;
const peak = 1 / Math.sqrt(2 * Math.PI);

/** Where densities are taken. */
export const places = (reach: number) => Array.from({ length: BINS }, (_, i) => reach * ((2 * i) / (BINS - 1) - 1));

/** The density of each column of `values`, (count, rank), by kernels of a width that fits its spread. */
export function densities(values: Float32Array, rank: number, reach: number): Float32Array[] {
  const count = values.length / rank;
  const step = (2 * reach) / (BINS - 1);
  return Array.from({ length: rank }, (_, j) => {
    const bins = new Float32Array(BINS);
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i * rank + j];
      sum += value;
      squares += value * value;
      const at = (value + reach) / step;
      const low = Math.floor(at);
      if (low >= 0 && low < BINS - 1) {
        bins[low] += low + 1 - at;
        bins[low + 1] += at - low;
      }
    }
    const spread = Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
    const width = Math.max(0.5, (1.06 * spread * count ** -0.2) / step);
    const half = Math.ceil(3 * width);
    const smooth = new Float32Array(BINS);
    for (let i = 0; i < BINS; i++) {
      let total = 0;
      let weight = 0;
      for (let d = -half; d <= half; d++) {
        const w = Math.exp(-0.5 * (d / width) ** 2);
        weight += w;
        total += w * (bins[i + d] ?? 0);
      }
      smooth[i] = total / weight / count / step / peak;
    }
    return smooth;
  });
}

/** Where the first lobe's place begins. */
export const LEFT = 34;
const shapes = new WeakMap<object, { key: string; path: string }>();
const KL = { top: 18, lamp: 16, foot: 50 };

export function Lobes({
  lobes,
  family,
  values,
  deviations,
  onMove,
  onFocus,
  height = 300,
  reach = 4,
  prior = true,
}: LobesProps) {
  const lamps = lobes.some((lobe) => lobe.kl !== undefined);
  const bottom = height - (lamps ? KL.foot : 18);
  const y = scaleLinear([-reach, reach], [bottom, KL.top]);
  const grid = places(reach);
  return (
    <Plot height={height} label="coefficients">
      {(width) => {
        const room = (width - LEFT) / lobes.length;
        const half = Math.min(40, room * 0.46);
        const shape = (density: ArrayLike<number>) => {
          // as far as there is anything to see
          const seen = grid.map((_, i) => i).filter((i) => density[i] > 0.005);
          const side = (sign: number) =>
            grid
              .map((g, i): [number, number] => [sign * half * Math.min(1.25, density[i]), y(g)])
              .slice(seen[0], seen[seen.length - 1] + 1);
          return seen.length ? band(side(-1), side(1)) : "";
        };
        const outline = shape(grid.map((g) => Math.exp(-0.5 * g * g)));
        // while a handle moves the shapes stay
        const drawn = (density: object & ArrayLike<number>) => {
          const key = `${half} ${height} ${reach}`;
          const known = shapes.get(density);
          if (known?.key === key) return known.path;
          const path = shape(density);
          shapes.set(density, { key, path });
          return path;
        };
        return (
          <>
            {y.ticks(4).map((tick) => (
              <g key={tick} aria-hidden="true">
                <line class="hairline" x1={LEFT} x2={width} y1={y(tick)} y2={y(tick)} />
                <text x={LEFT - 6} y={y(tick)} dy="0.32em" text-anchor="end">
                  {short(tick)}
                </text>
              </g>
            ))}
            {lobes.map((lobe, place) => {
              const x = LEFT + room * (place + 0.5);
              const tone = lobe.awake ? `var(--${family})` : "var(--faint)";
              const value = values?.[place] ?? 0;
              const deviation = deviations?.[place];
              const move = (to: number) => onMove?.(place, Math.min(reach, Math.max(-reach, to)));
              const spreads = lobe.spread > 1e-6 ? (value - lobe.middle) / lobe.spread : 0;
              return (
                <g key={lobe.number} transform={`translate(${x} 0)`}>
                  <path d={drawn(lobe.density)} fill={tone} fill-opacity={0.3} />
                  {prior && <path d={outline} fill="none" stroke="var(--faint)" stroke-dasharray="2 3" />}
                  {deviation !== undefined && (
                    <line
                      y1={y(Math.min(reach, value + deviation))}
                      y2={y(Math.max(-reach, value - deviation))}
                      stroke={values ? tone : "var(--ink)"}
                      stroke-opacity={values ? 0.55 : 1}
                      stroke-width={values ? 7 : 2.5}
                      stroke-linecap="round"
                    />
                  )}
                  {onMove && (
                    <Handle
                      x={0}
                      y={y(Math.min(reach, Math.max(-reach, value)))}
                      label={`coefficient ${lobe.number}`}
                      words={`${value.toFixed(2)}, ${spreads.toFixed(1)} spreads`}
                      value={value}
                      min={-reach}
                      max={reach}
                      colour={tone}
                      onFocus={() => onFocus?.(place)}
                      onDrag={(_, py) => move(y.invert(py))}
                      onKey={(steps) => move(steps ? value + 0.1 * lobe.spread * steps : lobe.middle)}
                    />
                  )}
                  {lobe.kl !== undefined && (
                    <g transform={`translate(0 ${bottom + KL.lamp})`}>
                      <circle
                        r={4.5}
                        fill={lobe.awake ? "var(--awake)" : "none"}
                        stroke={lobe.awake ? "var(--awake)" : "var(--faint)"}
                        stroke-width={1.5}
                      />
                      {room > 20 && (
                        <text y={18} text-anchor="middle">
                          {lobe.kl.toFixed(lobe.kl < 0.095 && room > 28 ? 2 : 1)}
                        </text>
                      )}
                    </g>
                  )}
                  <text y={height - 2} text-anchor="middle">
                    {lobe.number}
                  </text>
                  <title>
                    {`coefficient ${lobe.number}${lobe.kl === undefined ? "" : `: KL ${lobe.kl.toFixed(2)} nats, ${lobe.awake ? "awake" : "collapsed"}`}`}
                  </title>
                </g>
              );
            })}
          </>
        );
      }}
    </Plot>
  );
}
