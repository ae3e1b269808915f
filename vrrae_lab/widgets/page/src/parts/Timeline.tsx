// A race from its first step to its last: a handle to scrub with, a band for each model, and marks of what happened.
import { AxisBelow, Curve, Dot, Plot, Text } from "./chart";
import { dragged, Handle, place } from "./handle";
import { limit, nearest, nice, type Pair, type Scale, scaleLinear } from "./scale";
import type { Mark } from "./tape";

export interface Band {
  name: string;
  /** A colour of the style sheet: "vae". */
  colour: string;
  /** Of each frame: which lamps are on. */
  lamps: ArrayLike<number>[];
}

interface TimelineProps {
  /** Of each frame, rising. */
  steps: number[];
  at: number;
  bands: Band[];
  marks: Mark[];
  onMove: (frame: number) => void;
}

const BAND = 27;
const TOP = 16;
const LEFT = 52;
const RIGHT = 44;

/** Steps along an axis that grows seldom. */
export const alongSteps = (steps: number[], range: Pair): Scale =>
  scaleLinear(nice(0, Math.max(50, steps.at(-1) ?? 0), 4), range);

/** Pieces of a row in which a lamp is on; the last of them ends at the last frame. */
function lit(lamps: ArrayLike<number>[], lamp: number, x: number[], y: number): string {
  let drawn = "";
  for (let i = 0; i < lamps.length; i++) {
    const on = lamps[i][lamp] > 0;
    if (on && !(i && lamps[i - 1][lamp])) drawn += `M${x[i].toFixed(1)} ${y.toFixed(1)}`;
    if (!on && i && lamps[i - 1][lamp]) drawn += `H${x[i].toFixed(1)}`;
    else if (on && i === lamps.length - 1) drawn += `H${(x[i] + 1).toFixed(1)}`;
  }
  return drawn;
}

export function Timeline({ steps, at, bands, marks, onMove }: TimelineProps) {
  const bottom = TOP + BAND * bands.length;
  const last = steps.length - 1;
  return (
    <Plot height={bottom + 22} label="timeline">
      {(width) => {
        const x = alongSteps(steps, [LEFT, width - RIGHT]);
        const places = steps.map((step) => x(step));
        let free = 0;
        return (
          <>
            <AxisBelow scale={x} at={bottom} ticks={limit(Math.floor(width / 90), 3, 10)} />
            <Text x={LEFT - 8} y={bottom + 14} class="end" is="step" />
            <Scrub {...{ places, onMove }} x={LEFT} y={0} width={width - LEFT - RIGHT} height={bottom} />
            {bands.map(({ name, colour, lamps }, model) => {
              const count = lamps[0]?.length ?? 1;
              const y = (lamp: number) => TOP + BAND * model + 2 + ((BAND - 4) * (lamp + 0.5)) / count;
              const middle = y(count / 2 - 0.5);
              const rows = Array.from({ length: count }, (_, lamp) => lit(lamps, lamp, places, y(lamp)));
              const out = marks.filter(({ lamp }) => lamp?.model === model && lamp.out);
              const thick = Math.max(1, (BAND - 4) / count - 0.8);
              return (
                <g key={model}>
                  <Text x={LEFT - 8} y={middle} class="bold level end" tone={colour} is={name.split(" ")[0]} />
                  <Curve d={rows.join("")} tone={colour} opacity={0.45} width={thick} />
                  {out.map(({ lamp, frame, words }, i) => (
                    <Dot
                      key={i}
                      {...{ x: places[frame], y: y(lamp!.number), r: 2.6, tone: "paper", rim: "muted", width: 1.3 }}
                      title={`step ${steps[frame]}, ${words}`}
                    />
                  ))}
                  {at >= 0 && (
                    <Text
                      x={width - RIGHT + 10}
                      y={middle}
                      class="level"
                      is={`${Array.from(lamps[at]).filter(Boolean).length} ⁄ ${count}`}
                    />
                  )}
                </g>
              );
            })}
            {marks
              .filter((mark) => !mark.lamp)
              .map(({ frame, words }, i) => {
                const left = places[frame];
                const title = `step ${steps[frame]}, ${words}`;
                const room = words.length * 6 + 10;
                const told = left >= free && left + room < width;
                if (told) free = left + room;
                return (
                  <g key={i} transform={`translate(${left} 0)`}>
                    <Curve d={`M0 4V${bottom}`} tone="faint" dash="2 2" title={title} />
                    {told && <Text x={4} y={11} is={words} title={title} />}
                  </g>
                );
              })}
            {last >= 0 && (
              <>
                <Curve d={`M${places[at]} 4V${bottom}`} />
                <Handle
                  {...{ x: places[at], y: TOP + BAND, value: at, limits: [0, last] }}
                  label="frame"
                  words={`step ${steps[at]}, frame ${at + 1} of ${last + 1}`}
                  onDrag={(px) => onMove(nearest(places, px))}
                  onKey={(by) => onMove(by ? limit(at + by, 0, last) : 0)}
                />
              </>
            )}
          </>
        );
      }}
    </Plot>
  );
}

interface ScrubProps {
  /** Where each frame is, in pixels, rising. */
  places: number[];
  x: number;
  y: number;
  width: number;
  height: number;
  onMove: (frame: number) => void;
}

/** A place in which a press or a drag chooses the nearest frame. */
export function Scrub({ places, onMove, ...box }: ScrubProps) {
  const go = (px: number) => void (places.length && onMove(nearest(places, px)));
  const { onTouchStart: _, ...follow } = dragged(go, (event) =>
    go(place(event.currentTarget.ownerSVGElement!, event)[0]),
  );
  return <rect class="scrub" {...box} width={Math.max(0, box.width)} fill="transparent" {...follow} />;
}
