// How far each coefficient spreads, on a logarithmic axis, and a cut that is dragged: what is beyond it is dropped.
import { AxisLeft, Bar, Curve, Plot, Text } from "./chart";
import { Handle, slide } from "./handle";
import { LEFT } from "./Lobes";
import { scaleLinear, scaleLog, short } from "./scale";

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

const figure = (v: number, narrow: boolean) => {
  const text = v.toFixed(v < 0.995 ? 2 : v < 9.95 ? 1 : 0);
  return v < 0.0095 ? "<.01" : narrow ? text.replace(/^0/, "") : text;
};

export function Spectrum({ values, numbers, rank, family, name, height, onRank }: SpectrumProps) {
  const count = values.length;
  const most = values[0] > 0 ? values[0] : 1;
  const least = Math.max(values.filter((v) => v > 0).at(-1) ?? most, most * 1e-4);
  const bottom = height - (count > FEW ? 17 : 2);
  const y = scaleLog([least / 1.6, most], [bottom, 38]);
  const words = { label: "rank", words: `${rank} of ${count} coefficients are decoded` };
  return (
    <Plot height={height} label={name}>
      {(width) => {
        const x = scaleLinear([0, count], [LEFT, width]);
        const room = x(1) - x(0);
        const every = Math.ceil(26 / room);
        const wide = Math.min(44, room * 0.7);
        const left = x(rank) < 220; // of the name, where there is more room on the right
        const set = slide(x, rank, [1, count], 1, count, (to) => onRank(Math.round(to)));
        return (
          <>
            <AxisLeft scale={y} at={LEFT} ticks={y.ticks(3).filter((v) => Math.log10(v) % 1 === 0)} />
            <Text x={0} y={11} is={name} />
            {values.map((value, i) => {
              const top = y(Math.max(value, y.domain()[0]));
              const looks = i < rank ? { tone: family, opacity: 0.75 } : { tone: "faint", opacity: 0.4 };
              const title = `coefficient ${numbers[i]}: ${short(value)}`;
              const box = { x: x(i + 0.5) - wide / 2, y: top, width: wide, height: bottom - top };
              return (
                <g key={i}>
                  <Bar {...box} {...looks} rx={Math.min(3, wide / 3)} title={title} />
                  {room >= 26 && <Text x={x(i + 0.5)} y={top - 4} class="middle" is={figure(value, room < 29)} />}
                  {count > FEW && i % every === 0 && (
                    <Text x={x(i + 0.5)} y={height - 3} class="middle" is={numbers[i]} />
                  )}
                </g>
              );
            })}
            <Curve d={`M${x(rank)} 14V${bottom}`} width={1.5} dash={rank < count ? undefined : "3 3"} />
            <Handle x={x(rank)} y={14} {...words} {...set} />
            <Text
              x={x(rank) + (left ? 12 : -12)}
              y={11}
              class={left ? "strong halo" : "strong halo end"}
              is={rank < count ? `rank ${rank} of ${count}` : `all ${count}`}
            />
          </>
        );
      }}
    </Plot>
  );
}
