// A slider that shows the value it sets, in its own units.
interface SliderProps {
  /** "β", "learning rate" */
  label: string;
  value: number;
  min: number;
  max: number;
  /** Steps along the way; values between them are not offered. */
  step?: number;
  /** Equal ways are equal factors. */
  logarithmic?: boolean;
  /** The value in words; also what a screen reader says. */
  words?: (value: number) => string;
  accent?: string;
  disabled?: boolean;
  onInput: (value: number) => void;
}

const PLACES = 400;

export function Slider({
  label,
  value,
  min,
  max,
  step,
  logarithmic,
  words = short,
  accent,
  disabled,
  onInput,
}: SliderProps) {
  const to = logarithmic ? Math.log : (v: number) => v;
  const from = logarithmic ? Math.exp : (v: number) => v;
  const unit = step && !logarithmic ? step : (to(max) - to(min)) / PLACES;
  const place = Math.min(Math.max(to(value), to(min)), to(max));
  const filled = `${(100 * (place - to(min))) / (to(max) - to(min) || 1)}%`;
  return (
    <label class="slider" style={{ "--filled": filled, ...(accent && { "--accent": `var(--${accent})` }) }}>
      <span>{label}</span>
      <output>{words(value)}</output>
      <input
        type="range"
        min={to(min)}
        max={to(max)}
        step={unit}
        value={place}
        disabled={disabled}
        aria-label={label}
        aria-valuetext={words(value)}
        data-lm-suppress-shortcuts="true"
        onInput={(event) => {
          const found = from(Number(event.currentTarget.value));
          const rough = Number(found.toPrecision(2));
          // two digits where they tell it from the value before, so that no key press is lost
          const round = rough === value ? Number(found.toPrecision(3)) : rough;
          onInput(logarithmic ? round : step ? Number(found.toFixed(10)) : found);
        }}
      />
    </label>
  );
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
