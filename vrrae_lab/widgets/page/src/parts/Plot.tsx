// An SVG as wide as its place, and the axes that a reader needs.
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Scale } from "./scale";
import { short } from "./Slider";

/** The width that an element has, as it changes. */
export function useWidth<T extends Element>(start = 400): [RefObject<T | null>, number] {
  const ref = useRef<T>(null);
  const [width, setWidth] = useState(start);
  useLayoutEffect(() => {
    const measure = () => ref.current && setWidth(Math.max(40, Math.floor(ref.current.getBoundingClientRect().width)));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(ref.current!);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}

interface PlotProps {
  height: number;
  /** What a screen reader says of it. */
  label: string;
  /** Never narrower than this, also while a card is being laid out. */
  least?: number;
  children: (width: number) => ComponentChildren;
}

export function Plot({ height, label, least = 240, children }: PlotProps) {
  const [ref, place] = useWidth<HTMLDivElement>();
  const width = Math.max(least, place);
  return (
    <div ref={ref} style={{ height: `${height}px` }}>
      <svg width={width} height={height} role="group" aria-label={label}>
        {children(width)}
      </svg>
    </div>
  );
}

interface AxisProps {
  scale: Scale;
  /** "step", "KL (nats)": what runs along it, with its unit. */
  name: string;
  /** Where the axis lies: y of the lower one, x of the left one. */
  at: number;
  /** Length of the grid's lines; none if 0. */
  grid?: number;
  ticks?: number | number[];
  format?: (value: number) => string;
}

const values = (scale: Scale, ticks: number | number[]) => (Array.isArray(ticks) ? ticks : scale.ticks(ticks));

export function AxisBelow({ scale, name, at, grid = 0, ticks = 5, format = short }: AxisProps) {
  const [left, right] = scale.range();
  return (
    <g aria-hidden="true">
      <line class="hairline" x1={left} x2={right} y1={at} y2={at} />
      {values(scale, ticks).map((value) => (
        <g key={value} transform={`translate(${scale(value)} ${at})`}>
          {grid > 0 && <line class="hairline" y2={-grid} />}
          <text y={14} text-anchor="middle">
            {format(value)}
          </text>
        </g>
      ))}
      <text x={(left + right) / 2} y={at + 29} text-anchor="middle">
        {name}
      </text>
    </g>
  );
}

export function AxisLeft({ scale, name, at, grid = 0, ticks = 4, format = short }: AxisProps) {
  const top = Math.min(...scale.range());
  return (
    <g aria-hidden="true">
      {values(scale, ticks).map((value) => (
        <g key={value} transform={`translate(${at} ${scale(value)})`}>
          {grid > 0 && <line class="hairline" x2={grid} />}
          <text x={-6} dy="0.32em" text-anchor="end">
            {format(value)}
          </text>
        </g>
      ))}
      <text x={at - 34} y={top - 10}>
        {name}
      </text>
    </g>
  );
}

/** Places as near to those wanted as they can be when neighbours keep `gap` between them; in the order given. */
export function apart(wanted: number[], gap: number, least = -Infinity, most = Infinity): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a] - wanted[b]);
  const found = wanted.slice();
  order.forEach((i, n) => (found[i] = Math.max(found[i], n ? found[order[n - 1]] + gap : least)));
  for (let n = order.length - 1; n >= 0; n--) {
    const limit = n === order.length - 1 ? most : found[order[n + 1]] - gap;
    found[order[n]] = Math.min(found[order[n]], limit);
  }
  return found;
}
