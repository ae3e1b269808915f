// A race from its first step to its last: a handle to scrub with, a band for each model, and marks of what happened.
import { Handle, place } from "./handle";
import { AxisBelow, Plot } from "./Plot";
import { nearest, nice, scaleLinear, type Scale } from "./scale";
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
export const alongSteps = (steps: number[], range: [number, number]): Scale =>
  scaleLinear(nice(0, Math.max(50, steps.at(-1) ?? 0), 4), range);

const tone = (colour: string) => ({ fill: `var(--${colour})`, fontWeight: 600 });

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
  const height = TOP + BAND * bands.length + 22;
  const bottom = TOP + BAND * bands.length;
  const last = steps.length - 1;
  return (
    <Plot height={height} label="timeline">
      {(width) => {
        const x = alongSteps(steps, [LEFT, width - RIGHT]);
        const places = steps.map((step) => x(step));
        let free = 0;
        return (
          <>
            <AxisBelow scale={x} name="" at={bottom} ticks={Math.max(3, Math.min(10, Math.floor(width / 90)))} />
            <text x={LEFT - 8} y={bottom + 14} text-anchor="end">
              step
            </text>
            <Scrub steps={places} top={0} height={bottom} left={LEFT} width={width - LEFT - RIGHT} onMove={onMove} />
            {bands.map(({ name, colour, lamps }, model) => {
              const count = lamps[0]?.length ?? 1;
              const y = (lamp: number) => TOP + BAND * model + 2 + ((BAND - 4) * (lamp + 0.5)) / count;
              return (
                <g key={model} class="band">
                  <text x={LEFT - 8} y={y(count / 2 - 0.5)} dy="0.32em" text-anchor="end" style={tone(colour)}>
                    {name.split(" ")[0]}
                  </text>
                  <path
                    d={Array.from({ length: count }, (_, lamp) => lit(lamps, lamp, places, y(lamp))).join("")}
                    stroke={`var(--${colour})`}
                    stroke-opacity={0.45}
                    stroke-width={Math.max(1, (BAND - 4) / count - 0.8)}
                  />
                  {marks.map(
                    ({ lamp, frame, words }, i) =>
                      lamp?.model === model &&
                      lamp.out && (
                        <circle key={i} class="mark" cx={places[frame]} cy={y(lamp.number)} r={2.6}>
                          <title>{`step ${steps[frame]}, ${words}`}</title>
                        </circle>
                      ),
                  )}
                  {at >= 0 && (
                    <text x={width - RIGHT + 10} y={y(count / 2 - 0.5)} dy="0.32em">
                      {Array.from(lamps[at]).filter(Boolean).length} ⁄ {count}
                    </text>
                  )}
                </g>
              );
            })}
            {marks
              .filter((mark) => !mark.lamp)
              .map((mark, i) => {
                const left = places[mark.frame];
                const room = mark.words.length * 6 + 10;
                const told = left >= free && left + room < width;
                if (told) free = left + room;
                return (
                  <g key={i} transform={`translate(${left} 0)`}>
                    <line y1={4} y2={bottom} stroke="var(--faint)" stroke-dasharray="2 2" />
                    {told && (
                      <text x={4} y={11}>
                        {mark.words}
                      </text>
                    )}
                    <title>{`step ${steps[mark.frame]}, ${mark.words}`}</title>
                  </g>
                );
              })}
            {last >= 0 && (
              <g>
                <line x1={places[at]} x2={places[at]} y1={4} y2={bottom} stroke="var(--ink)" pointer-events="none" />
                <Handle
                  x={places[at]}
                  y={TOP + BAND}
                  label="frame"
                  words={`step ${steps[at]}, frame ${at + 1} of ${last + 1}`}
                  value={at}
                  min={0}
                  max={last}
                  onDrag={(px) => onMove(nearest(places, px))}
                  onKey={(by) => onMove(by ? Math.min(last, Math.max(0, at + by)) : 0)}
                />
              </g>
            )}
          </>
        );
      }}
    </Plot>
  );
}

interface ScrubProps {
  /** Where each frame is, in pixels, rising. */
  steps: number[];
  left: number;
  top: number;
  width: number;
  height: number;
  onMove: (frame: number) => void;
}

/** A place in which a press or a drag chooses the nearest frame. */
export function Scrub({ steps, left, top, width, height, onMove }: ScrubProps) {
  const go = (event: PointerEvent & { currentTarget: SVGRectElement }) => {
    if (steps.length) onMove(nearest(steps, place(event.currentTarget.ownerSVGElement!, event)[0]));
  };
  return (
    <rect
      class="scrub"
      x={left}
      y={top}
      width={Math.max(0, width)}
      height={height}
      fill="transparent"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        go(event);
      }}
      onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && go(event)}
    />
  );
}
