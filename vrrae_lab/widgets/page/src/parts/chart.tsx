// What charts are made of: an SVG as wide as its place, axes and marks. A tone is a colour of the style sheet: "vrrae".
import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { limit, type Pair, type Scale, scaleLinear, scaleLog, short } from "./scale";

export type Place = [x: number, y: number];

/** Straight from place to place. */
export const path = (places: Place[]): string => `M${places.map((p) => p.map((v) => v.toFixed(1)).join()).join("L")}`;

/** What lies between a line and another. */
export const band = (there: Place[], back: Place[]): string => `${path([...there, ...back.reverse()])}Z`;

/** A tone as CSS; what is not of the style sheet is itself. */
export const paint = (tone: string) => (/^(#|none)/.test(tone) ? tone : `var(--${tone})`);

/** An ellipse. */
export const oval = (rx: number, ry: number) =>
  `M${-rx} 0a${rx} ${ry} 0 1 0 ${2 * rx} 0a${rx} ${ry} 0 1 0 ${-2 * rx} 0`;

interface MarkProps {
  tone?: string;
  opacity?: number;
  /** What a pointer that rests on it is told. */
  title?: string;
}

interface CurveProps extends MarkProps {
  d: string | Place[];
  width?: number;
  dash?: string;
  /** How opaque it is inside; nothing is inside of a line. */
  fill?: number;
}

export const Curve = ({ d, tone = "ink", width, dash, fill, opacity, title }: CurveProps) => (
  <path
    d={typeof d === "string" ? d : path(d)}
    style={{ stroke: paint(tone), fill: fill ? paint(tone) : "none", strokeWidth: width, fillOpacity: fill }}
    stroke-dasharray={dash}
    stroke-opacity={opacity}
    pointer-events={title ? undefined : "none"}
  >
    {title && <title>{title}</title>}
  </path>
);

interface TextProps extends MarkProps {
  x?: number;
  y?: number;
  is: ComponentChildren;
  class?: string;
}

/** Words; classes say how: to the "middle" or "end" at x, "level" with y, "strong", with a "halo". */
export const Text = ({ is, tone, title, ...rest }: TextProps) => (
  <text {...rest} style={tone ? { fill: paint(tone) } : {}}>
    {title && <title>{title}</title>}
    {is}
  </text>
);

interface BoxProps extends MarkProps {
  x?: number;
  y?: number;
  width: number;
  height: number;
  rx?: number;
}

export const Bar = ({ tone = "vrrae", width, height, title, ...rest }: BoxProps) => (
  <rect {...rest} width={Math.max(0, width)} height={Math.max(0, height)} fill={paint(tone)}>
    {title && <title>{title}</title>}
  </rect>
);

interface DotProps extends MarkProps {
  x?: number;
  y?: number;
  r: number;
  /** Of its rim. */
  rim?: string;
  width?: number;
  class?: string;
}

export const Dot = ({ x, y, tone = "vrrae", rim = "none", width = 2, title, ...rest }: DotProps) => (
  <circle {...rest} cx={x} cy={y} fill={paint(tone)} stroke={paint(rim)} stroke-width={width}>
    {title && <title>{title}</title>}
  </circle>
);

/** A light that is on where a coefficient is awake, and out where it has collapsed. */
export const Lamp = ({ on, ...place }: { x?: number; y?: number; r: number; on: boolean | number }) => (
  <Dot {...place} tone={on ? "awake" : "none"} rim={on ? "awake" : "faint"} width={1.5} />
);

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
  /** Drawn below the marks, as a canvas may be. */
  ground?: (width: number) => ComponentChildren;
  children: (width: number) => ComponentChildren;
}

export function Plot({ height, label, least = 240, ground, children }: PlotProps) {
  const [ref, place] = useWidth<HTMLDivElement>();
  const width = Math.max(least, place);
  return (
    <div ref={ref} class="plot" style={{ height: `${height}px` }}>
      {ground?.(width)}
      <svg width={width} height={height} role="group" aria-label={label}>
        {children(width)}
      </svg>
    </div>
  );
}

interface AxisLook {
  /** "step", "KL (nats)": what runs along it, with its unit. */
  name?: string;
  /** So many round values, or these. */
  ticks?: number | number[];
  format?: (value: number) => string;
}

interface AxisProps extends AxisLook {
  scale: Scale;
  /** Where the axis lies: y of the lower one, x of the left one. */
  at: number;
  /** Length of the grid's lines; none if 0. */
  grid?: number;
}

export function AxisBelow({ scale, name, at, grid = 0, ticks = 5, format = short }: AxisProps) {
  const [left, right] = scale.range();
  const places = Array.isArray(ticks) ? ticks : scale.ticks(limit((right - left) / 55, 3, Math.max(3, ticks))); // with room for each
  return (
    <g aria-hidden="true">
      <path class="hairline" d={`M${left} ${at}H${right}`} />
      {places.map((value) => (
        <g key={value} transform={`translate(${scale(value)} ${at})`}>
          {grid > 0 && <path class="hairline" d={`M0 0V${-grid}`} />}
          <Text y={14} class="middle" is={format(value)} />
        </g>
      ))}
      <Text x={(left + right) / 2} y={at + 29} class="middle" is={name} />
    </g>
  );
}

export function AxisLeft({ scale, name, at, grid = 0, ticks = 4, format = short }: AxisProps) {
  return (
    <g aria-hidden="true">
      {(Array.isArray(ticks) ? ticks : scale.ticks(ticks)).map((value) => (
        <g key={value} transform={`translate(${at} ${scale(value)})`}>
          {grid > 0 && <path class="hairline" d={`M0 0H${grid}`} />}
          <Text x={-6} class="level end" is={format(value)} />
        </g>
      ))}
      <Text x={at - 34} y={Math.min(...scale.range()) - 10} is={name} />
    </g>
  );
}

export interface Axis extends AxisLook {
  domain: Pair;
  log?: boolean;
  grid?: boolean;
}

export interface ChartProps extends Omit<PlotProps, "children"> {
  x: Axis;
  y: Axis;
  /** Room around the plane. */
  edge?: [top: number, right: number, bottom: number, left: number];
  children: (x: Scale, y: Scale, width: number) => ComponentChildren;
}

/** A plane with its two axes. */
export function Chart({ x, y, edge: [top, right, bottom, left] = [26, 14, 46, 48], children, ...plot }: ChartProps) {
  return (
    <Plot {...plot}>
      {(width) => {
        const scale = ({ log, domain }: Axis, range: Pair) => (log ? scaleLog : scaleLinear)(domain, range);
        const [across, up] = [scale(x, [left, width - right]), scale(y, [plot.height - bottom, top])];
        const [wide, tall] = [width - right - left, plot.height - bottom - top];
        return (
          <>
            <AxisLeft {...y} scale={up} at={left - 4} grid={y.grid ? wide + 4 : 0} />
            <AxisBelow {...x} scale={across} at={plot.height - bottom} grid={x.grid ? tall : 0} />
            {children(across, up, width)}
          </>
        );
      }}
    </Plot>
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
