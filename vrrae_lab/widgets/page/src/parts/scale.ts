// Values to pixels and back, and round values for an axis. What d3-scale does with numbers, without its colours, dates
// and languages.
import { ticks } from "d3-array";

/** Two numbers. */
type Pair = number[];

export interface Scale {
  (value: number): number;
  invert(at: number): number;
  domain(): Pair;
  range(): Pair;
  /** About so many round values within the domain. */
  ticks(count?: number): number[];
}

export const scaleLinear = (domain: Pair, range: Pair): Scale =>
  scale(
    domain,
    range,
    (v) => v,
    (v) => v,
    (count) => ticks(domain[0], domain[1], count),
  );

/** Equal ways are equal factors; the domain is above 0. */
export const scaleLog = (domain: Pair, range: Pair): Scale =>
  scale(domain, range, Math.log, Math.exp, (count) => {
    const [low, high] = [Math.min(...domain), Math.max(...domain)];
    const powers = Array.from({ length: 40 }, (_, i) => Number(`1e${i - 20}`));
    const inside = (factors: number[]) =>
      powers.flatMap((p) => factors.map((f) => f * p)).filter((v) => v >= low * 0.999999 && v <= high * 1.000001);
    const tens = inside([1]);
    if (tens.length < 2) return inside([1, 2, 5]);
    return tens.filter((_, i) => i % Math.ceil(tens.length / (count + 1)) === 0);
  });

function scale(
  domain: Pair,
  range: Pair,
  to: (v: number) => number,
  from: (v: number) => number,
  ticks: (count: number) => number[],
): Scale {
  const [a, b] = domain.map(to);
  const map = (value: number) => range[0] + ((to(value) - a) / (b - a || 1)) * (range[1] - range[0]);
  return Object.assign(map, {
    invert: (at: number) => from(a + ((at - range[0]) / (range[1] - range[0] || 1)) * (b - a)),
    domain: () => domain,
    range: () => range,
    ticks: (count = 10) => ticks(count),
  });
}
