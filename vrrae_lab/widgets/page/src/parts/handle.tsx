// What is dragged: a mark in an SVG that follows the pointer, the arrow keys and the finger.
import type { ComponentChildren } from "preact";

interface HandleProps {
  /** Where it is, in pixels of the SVG. */
  x: number;
  y: number;
  /** "coefficient 3" */
  label: string;
  /** "0.42, 0.6 spreads" */
  words: string;
  value: number;
  min: number;
  max: number;
  /** Called with pixels of the SVG while it is dragged. */
  onDrag: (x: number, y: number) => void;
  /** Called by keys with −1 or 1 (arrows), −10 or 10 (Page Up and Down), and 0 (Home: back to the start). */
  onKey: (steps: number, horizontal: boolean) => void;
  onFocus?: () => void;
  colour?: string;
  radius?: number;
  children?: ComponentChildren;
}

const KEYS: Record<string, number> = {
  ArrowUp: 1,
  ArrowRight: 1,
  ArrowDown: -1,
  ArrowLeft: -1,
  PageUp: 10,
  PageDown: -10,
  Home: 0,
};

export function Handle({
  x,
  y,
  label,
  words,
  value,
  min,
  max,
  onDrag,
  onKey,
  onFocus,
  colour = "var(--ink)",
  radius = 7,
  children,
}: HandleProps) {
  return (
    <g
      class="handle"
      role="slider"
      tabindex={0}
      aria-label={label}
      aria-valuetext={words}
      aria-valuenow={value}
      aria-valuemin={min}
      aria-valuemax={max}
      data-lm-suppress-shortcuts="true"
      transform={`translate(${x} ${y})`}
      onFocus={onFocus}
      onKeyDown={(event) => {
        if (!(event.key in KEYS)) return;
        event.preventDefault();
        event.stopPropagation();
        onKey(KEYS[event.key], event.key === "ArrowLeft" || event.key === "ArrowRight");
      }}
      // touch-action does nothing inside an SVG: this is what keeps the page from scrolling under the finger
      onTouchStart={(event) => event.preventDefault()}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        event.preventDefault();
        event.currentTarget.focus({ preventScroll: true });
      }}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        onDrag(...place(event.currentTarget.ownerSVGElement!, event));
      }}
    >
      <circle r={Math.max(16, radius)} fill="transparent" />
      {children ?? <circle class="ring" r={radius} fill={colour} stroke="var(--paper)" stroke-width={2} />}
    </g>
  );
}

/** Where a pointer is, in the SVG's own pixels. */
export function place(svg: SVGSVGElement, event: { clientX: number; clientY: number }): [number, number] {
  const box = svg.getBoundingClientRect();
  const view = svg.viewBox.baseVal;
  const scale = view.width ? view.width / box.width : 1;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}
