// What is dragged: a mark in an SVG that follows the pointer, the arrow keys and the finger.
import type { ComponentChildren } from "preact";
import { Dot } from "./chart";
import { limit, type Pair, type Scale } from "./scale";

interface HandleProps extends Drag {
  /** Where it is, in pixels of the SVG. */
  x: number;
  y: number;
  /** "coefficient 3" */
  label: string;
  /** "0.42, 0.6 spreads" */
  words: string;
  onFocus?: () => void;
  tone?: string;
  radius?: number;
  children?: ComponentChildren;
}

interface Drag {
  value: number;
  limits: Pair;
  /** Called with pixels of the SVG while it is dragged. */
  onDrag: (x: number, y: number) => void;
  /** Called by keys with −1 or 1 (arrows), −10 or 10 (Page Up and Down), and 0 (Home: back to the start). */
  onKey: (steps: number, across: boolean) => void;
}

const KEYS: Record<string, number> = { Up: 1, Right: 1, Down: -1, Left: -1, PageUp: 10, PageDown: -10, Home: 0 };

/** Steps that a key stands for, and whether they go across; undefined for other keys. What it does is done. */
export function keySteps(event: KeyboardEvent): [steps: number, across: boolean] | undefined {
  const name = event.key.replace("Arrow", "");
  if (!(name in KEYS)) return undefined;
  event.preventDefault();
  event.stopPropagation();
  return [KEYS[name], name === "Left" || name === "Right"];
}

type Press = PointerEvent & { currentTarget: SVGElement };

/** What makes an element of an SVG follow the pointer that pressed it. */
export const dragged = (onDrag: (x: number, y: number) => void, onPress: (event: Press) => void = () => {}) => ({
  // touch-action does nothing inside an SVG: this is what keeps the page from scrolling under the finger
  onTouchStart: (event: TouchEvent) => event.preventDefault(),
  onPointerDown: (event: Press) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    event.preventDefault();
    onPress(event);
  },
  onPointerMove: (event: Press) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId))
      onDrag(...place(event.currentTarget.ownerSVGElement!, event));
  },
});

export function Handle({ x, y, label, words, value, limits, onDrag, onKey, onFocus, ...look }: HandleProps) {
  const { tone = "ink", radius = 7, children = <Dot class="ring" r={radius} tone={tone} rim="paper" /> } = look;
  return (
    <g
      class="handle"
      role="slider"
      tabindex={0}
      aria-label={label}
      aria-valuetext={words}
      aria-valuenow={value}
      aria-valuemin={limits[0]}
      aria-valuemax={limits[1]}
      data-lm-suppress-shortcuts="true"
      transform={`translate(${x} ${y})`}
      onFocus={onFocus}
      onKeyDown={(event) => {
        const steps = keySteps(event);
        if (steps) onKey(...steps);
      }}
      {...dragged(onDrag, (event) => event.currentTarget.focus({ preventScroll: true }))}
    >
      <circle r={Math.max(16, radius)} fill="transparent" />
      {children}
    </g>
  );
}

/** A value that moves along an axis, by `step` for an arrow key or by what that makes of it, and Home sets to `home`. */
export function slide(
  axis: Scale,
  value: number,
  limits: Pair,
  step: number | ((steps: number) => number),
  home: number,
  set: (value: number) => void,
): Drag {
  const to = (v: number) => set(Number(limit(v, ...limits).toPrecision(6)));
  const upright = axis.range()[0] > axis.range()[1];
  const onKey = (n: number) => to(n === 0 ? home : typeof step === "number" ? value + step * n : step(n));
  return { value, limits, onKey, onDrag: (x, y) => to(axis.invert(upright ? y : x)) };
}

/** Where a pointer is, in the SVG's own pixels. */
export function place(svg: SVGSVGElement, event: { clientX: number; clientY: number }): [number, number] {
  const box = svg.getBoundingClientRect();
  const view = svg.viewBox.baseVal;
  const scale = view.width ? view.width / box.width : 1;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}
