// What is pressed, chosen and slid outside of charts.
import { type Signal, useSignal } from "@preact/signals";
import type { ButtonHTMLAttributes, ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { type Pair, short } from "./scale";

interface SliderProps {
  /** "β", "learning rate" */
  label: string;
  /** Whether the name and the value are there for a screen reader alone. */
  bare?: boolean;
  value: number;
  limits: Pair;
  /** Steps along the way; values between them are not offered. */
  step?: number;
  /** Equal ways are equal factors. */
  logarithmic?: boolean;
  /** The value in words; also what a screen reader says. */
  words?: (value: number) => string;
  tone?: string;
  disabled?: boolean;
  onInput: (value: number) => void;
}

const PLACES = 400;

/** A slider that shows the value it sets, in its own units. */
export function Slider({ label, bare, value, limits, step, logarithmic, words = short, ...props }: SliderProps) {
  const { tone = "ink", disabled, onInput } = props;
  const [to, from] = logarithmic ? [Math.log, Math.exp] : [Number, Number];
  const [low, high] = limits.map(to);
  const input = (event: { currentTarget: HTMLInputElement }) => {
    const found = from(Number(event.currentTarget.value));
    const rough = Number(found.toPrecision(2));
    // two digits where they tell it from the value before, so that no key press is lost
    const round = rough === value ? Number(found.toPrecision(3)) : rough;
    onInput(logarithmic ? round : step ? Number(found.toFixed(10)) : found);
  };
  const filled = `${(100 * (to(value) - low)) / (high - low || 1)}%`;
  return (
    <label class="slider" style={{ "--filled": filled, "--accent": `var(--${tone})` }}>
      {!bare && <span>{label}</span>}
      {!bare && <output>{words(value)}</output>}
      <input
        type="range"
        min={low}
        max={high}
        step={step && !logarithmic ? step : (high - low) / PLACES}
        value={to(value)}
        disabled={disabled}
        aria-label={label}
        aria-valuetext={words(value)}
        data-lm-suppress-shortcuts="true"
        onInput={input}
      />
    </label>
  );
}

interface ChoiceProps {
  label: string;
  value: string | number;
  /** What is chosen, and what it is called. */
  choices: [value: string | number, name: string | number, disabled?: boolean][];
  onChoose: (value: string) => void;
}

export const Choice = ({ label, value, choices, onChoose }: ChoiceProps) => (
  <select aria-label={label} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
    {choices.map(([value, name, disabled]) => (
      <option key={value} value={value} disabled={disabled}>
        {name}
      </option>
    ))}
  </select>
);

/** `is` is what stands on it. */
type ButtonProps = Omit<ButtonHTMLAttributes, "is"> & { is: ComponentChildren; key?: string | number };

export const Button = ({ is, ...rest }: ButtonProps) => <button {...rest}>{is}</button>;

/** A button that stays pressed. */
export const Toggle = ({ of, ...rest }: ButtonProps & { of: Signal<boolean> }) => (
  <Button {...rest} aria-pressed={of.value} onClick={() => (of.value = !of.value)} />
);

interface PagerProps {
  /** Of the first, from 0; how many are on a page, and in all. */
  first: number;
  size: number;
  of: number;
  /** What the buttons do. */
  names: [before: string, after: string];
  /** Added to the numbers that are shown. */
  from?: number;
  onTurn: (first: number) => void;
}

/** "‹ 1–16 of 64 ›" */
export function Pager({ first, size, of, names, from = 0, onTurn }: PagerProps) {
  const last = Math.min(first + size, of) - 1;
  const turn = (by: number, disabled: boolean) => (
    <button aria-label={names[by < 0 ? 0 : 1]} disabled={disabled} onClick={() => onTurn(Math.max(0, first + by))}>
      {by < 0 ? "‹" : "›"}
    </button>
  );
  return (
    <span class="end">
      {turn(-size, first === 0)} {first + from}–{last + from} of {of.toLocaleString("en")} {turn(size, last === of - 1)}
    </span>
  );
}

/** Shows one frame after the other, in `pause` milliseconds each, from `at` on; from the first where that is the last. */
export function usePlay(at: number, last: number, show: (frame: number) => void, pause: number) {
  const playing = useSignal(false);
  const now = useRef({ last, show });
  now.current = { last, show };
  useEffect(() => {
    if (!playing.value) return;
    let frame = at >= last ? 0 : at;
    show(frame);
    const timer = setInterval(() => {
      now.current.show(++frame);
      if (frame >= now.current.last) playing.value = false;
    }, pause);
    return () => clearInterval(timer);
  }, [playing.value]);
  return { playing: playing.value, toggle: () => (playing.value = !playing.value) };
}
