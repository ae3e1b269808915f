// How far each coefficient spreads, on a logarithmic axis, and a cut that is dragged: what is beyond it is dropped.
import { scaleLinear, scaleLog } from "./scale";
import { Handle } from "./handle";
import { LEFT } from "./Lobes";
import { AxisLeft, Plot } from "./Plot";
import { short } from "./Slider";

const FEW = 16; // as many as the lobes above have places for, with the numbers

interface SpectrumProps {
  /** In falling order, above 0 or not. */
  values: number[];
  /** The coefficients' own numbers, from 1, in the same order. */
  numbers: number[];
  rank: number;
  family: string;
  name: string;
  height: number;
  onRank: (rank: number) => void;
}

const figure = (v: number) => (v < 0.0095 ? "<.01" : v.toFixed(v < 0.995 ? 2 : v < 9.95 ? 1 : 0));

export function Spectrum({ values, numbers, rank, family, name, height, onRank }: SpectrumProps) {
  const count = values.length;
  const most = values[0] > 0 ? values[0] : 1;
  const least = Math.max(values.filter((v) => v > 0).at(-1) ?? most, most * 1e-4);
  const bottom = height - (count > FEW ? 17 : 2);
  const set = (to: number) => onRank(Math.min(count, Math.max(1, Math.round(to))));
  return (
    <Plot height={height} label={name}>
      {(width) => {
        const x = scaleLinear([0, count], [LEFT, width]);
        const y = scaleLog([least / 1.6, most], [bottom, 38]);
        const room = x(1) - x(0);
        const every = Math.ceil(26 / room);
        return (
          <>
            <AxisLeft scale={y} name="" at={LEFT} ticks={y.ticks(3).filter((v) => Math.log10(v) % 1 === 0)} />
            <text x={0} y={11} aria-hidden="true">
              {name}
            </text>
            {values.map((value, i) => {
              const top = y(Math.max(value, y.domain()[0]));
              const wide = Math.min(44, room * 0.7);
              return (
                <g key={i} opacity={i < rank ? 1 : 0.75}>
                  <rect
                    x={x(i + 0.5) - wide / 2}
                    y={top}
                    width={wide}
                    height={Math.max(0, bottom - top)}
                    rx={Math.min(3, wide / 3)}
                    fill={i < rank ? `var(--${family})` : "var(--faint)"}
                    fill-opacity={i < rank ? 0.75 : 0.5}
                  >
                    <title>{`coefficient ${numbers[i]}: ${short(value)}`}</title>
                  </rect>
                  {room >= 26 && (
                    <text x={x(i + 0.5)} y={top - 4} text-anchor="middle">
                      {figure(value)}
                    </text>
                  )}
                  {count > FEW && i % every === 0 && (
                    <text x={x(i + 0.5)} y={height - 3} text-anchor="middle">
                      {numbers[i]}
                    </text>
                  )}
                </g>
              );
            })}
            <line
              x1={x(rank)}
              x2={x(rank)}
              y1={14}
              y2={bottom}
              stroke="var(--ink)"
              stroke-width={1.5}
              stroke-dasharray={rank < count ? undefined : "3 3"}
            />
            <Handle
              x={x(rank)}
              y={14}
              label="rank"
              words={`${rank} of ${count} coefficients are decoded`}
              value={rank}
              min={1}
              max={count}
              onDrag={(px) => set(x.invert(px))}
              onKey={(steps) => set(steps ? rank + steps : count)}
            />
            <text class="strong halo" x={x(rank) - 12} y={11} text-anchor="end">
              {rank < count ? `rank ${rank} of ${count}` : `all ${count}`}
            </text>
          </>
        );
      }}
    </Plot>
  );
}
