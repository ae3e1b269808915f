// Values to pixels and back, and round values for an axis. What d3-scale does with numbers, without its colours, dates
// and languages.
/** A round number of which about `count` lie between two values: 1, 2 or 5 times a power of ten. */
const roundStep = (low: number, high: number, count: number): number => {
  const wanted = Math.abs(high - low) / Math.max(1, count) || 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const factor = wanted / power;
  return power * (factor < Math.SQRT2 ? 1 : factor < Math.sqrt(10) ? 2 : factor < Math.sqrt(50) ? 5 : 10);
};

/** About `count` round values from `low` to `high`. */
export const ticks = (low: number, high: number, count: number): number[] => {
  const step = roundStep(low, high, count);
  const first = Math.ceil(Math.min(low, high) / step - 1e-9);
  const last = Math.floor(Math.max(low, high) / step + 1e-9);
  // -0 would be written with its sign
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)) || 0);
};

/** The two values moved outwards to round ones. */
export const nice = (low: number, high: number, count: number): [number, number] => {
  const step = roundStep(low, high, count);
  return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
};

/** The place in a rising row of the value nearest to one. */
export const nearest = (row: ArrayLike<number>, value: number): number => {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (Math.abs(row[i] - value) < Math.abs(row[best] - value)) best = i;
  return best;
};

export type Pair = [number, number];

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
  const [a, b] = [to(domain[0]), to(domain[1])];
  const map = (value: number) => range[0] + ((to(value) - a) / (b - a || 1)) * (range[1] - range[0]);
  return Object.assign(map, {
    invert: (at: number) => from(a + ((at - range[0]) / (range[1] - range[0] || 1)) * (b - a)),
    domain: () => domain,
    range: () => range,
    ticks: (count = 10) => ticks(count),
  });
}

/** A number as a reader wants it: three digits, 1e-5 only where it is small. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const text =
    size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
  return text.replace("e-", "e−").replace(/^-/, "−").replace("e+", "e");
}

export const limit = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/** A power of ten as it is written: 10⁻³. */
export function power(exponent: number): string {
  const digits = String(Math.abs(exponent)).replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(d)]);
  return exponent === 0 ? "1" : exponent === 1 ? "10" : `10${exponent < 0 ? "⁻" : ""}${digits}`;
}
