// The coefficients of a model, side by side: what each says over the data against the prior, how surely, and a lamp.
import { AxisLeft, band, Curve, Lamp, path, Plot, Text } from "./chart";
import { Handle, slide } from "./handle";
import { limit, type Pair, scaleLinear } from "./scale";

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
  /** What runs along the axis. */
  unit?: string;
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
    let [sum, squares] = [0, 0];
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
      let [total, weight] = [0, 0];
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
const shapes = new WeakMap<object, { key: string; d: string }>();
/** A standard deviation, around a value that is dragged and beside a lobe. */
const BAND = { opacity: 0.55, width: 7 };
const TICK = { width: 2.5 };
const KL = { top: 18, lamp: 16, foot: 50 };

export function Lobes({ lobes, family, values, deviations, onMove, onFocus, ...looks }: LobesProps) {
  const { height = 300, reach = 4, prior = true, unit = "value" } = looks;
  const lamps = lobes.some((lobe) => lobe.kl !== undefined);
  const bottom = height - (lamps ? KL.foot : 18);
  const y = scaleLinear([-reach, reach], [bottom, KL.top]);
  const grid = places(reach);
  return (
    <Plot height={height} label="coefficients">
      {(width) => {
        const room = (width - LEFT) / lobes.length;
        const half = Math.min(40, room * 0.4);
        const shape = (density: ArrayLike<number>) => {
          // as far as there is anything to see
          const seen = grid.map((_, i) => i).filter((i) => density[i] > 0.005);
          const side = (sign: number) => seen.map((i): Pair => [sign * half * Math.min(1.25, density[i]), y(grid[i])]);
          return seen.length ? [side(-1), side(1)] : [];
        };
        const outline = shape(grid.map((g) => Math.exp(-0.5 * g * g)));
        // while a handle moves the shapes stay
        const drawn = (density: object & ArrayLike<number>) => {
          const key = `${half} ${height} ${reach}`;
          const known = shapes.get(density);
          if (known?.key === key) return known.d;
          const [left, right] = shape(density);
          const d = left ? band(left, right) : "";
          shapes.set(density, { key, d });
          return d;
        };
        return (
          <>
            <AxisLeft scale={y} name={unit} at={LEFT} grid={width - LEFT} />
            {lamps && <Text x={LEFT - 6} y={bottom + KL.lamp + 18} class="end" is="nats" />}
            <Text x={LEFT - 6} y={height - 2} class="end" is="no." />
            {lobes.map((lobe, place) => {
              const { number, awake, middle, spread, kl } = lobe;
              const tone = awake ? family : "faint";
              const value = values?.[place] ?? 0;
              const deviation = deviations?.[place];
              const [top, foot] = [value + (deviation ?? 0), value - (deviation ?? 0)].map((v) =>
                limit(v, -reach, reach),
              );
              const spreads = spread > 1e-6 ? (value - middle) / spread : 0;
              const words = `${value.toFixed(2)}, ${spreads.toFixed(1)} spreads`;
              const move = slide(y, value, [-reach, reach], 0.1 * spread, middle, (to) => onMove?.(place, to));
              const told = kl === undefined ? "" : `: KL ${kl.toFixed(2)} nats, ${awake ? "awake" : "collapsed"}`;
              return (
                <g key={number} transform={`translate(${LEFT + room * (place + 0.5)} 0)`}>
                  <Curve d={drawn(lobe.density)} tone={tone} width={0} fill={0.3} />
                  {prior && <Curve d={outline.map(path).join("")} tone="faint" dash="2 3" />}
                  {deviation !== undefined && (
                    <g stroke-linecap="round">
                      <Curve d={`M0 ${y(top)}V${y(foot)}`} {...(values ? { ...BAND, tone } : TICK)} />
                    </g>
                  )}
                  {onMove && (
                    <Handle
                      {...{ x: 0, y: y(limit(value, -reach, reach)), tone, words, ...move }}
                      label={`coefficient ${number}`}
                      onFocus={() => onFocus?.(place)}
                    />
                  )}
                  {kl !== undefined && <Lamp y={bottom + KL.lamp} r={4.5} on={awake} />}
                  {kl !== undefined && (
                    <Text
                      y={bottom + KL.lamp + 18}
                      class={room > 22 ? "middle" : "middle narrow"}
                      is={kl.toFixed(kl < 0.095 && room > 28 ? 2 : 1)}
                    />
                  )}
                  <Text y={height - 2} class="middle" is={number} />
                  <title>{`coefficient ${number}${told}`}</title>
                </g>
              );
            })}
          </>
        );
      }}
    </Plot>
  );
}
