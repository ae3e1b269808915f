// Lines and areas of an SVG as text.
export type Place = [x: number, y: number];

/** Straight from place to place. */
export const path = (places: Place[]): string => `M${places.map((p) => p.map((v) => v.toFixed(1)).join()).join("L")}`;

/** What lies between a line and another. */
export const band = (there: Place[], back: Place[]): string => `${path([...there, ...back.reverse()])}Z`;
