// Lines of equal height on a grid, as pieces of one cell each.
import type { Place } from "./chart";

/** Where a grid of `width` columns has the height `level`: a piece from place to place, in columns and rows. */
export function contour(heights: ArrayLike<number>, width: number, level: number): [Place, Place][] {
  const pieces: [Place, Place][] = [];
  for (let i = 0; i + width + 1 < heights.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x === width - 1) continue;
    // the corners of the cell in turn, and where its sides cross the level
    const corners = [i, i + 1, i + width + 1, i + width];
    const places: Place[] = [];
    for (let c = 0; c < 4; c++) {
      const [a, b] = [heights[corners[c]], heights[corners[(c + 1) % 4]]];
      if (a < level === b < level) continue;
      const t = (level - a) / (b - a);
      places.push([x + [t, 1, 1 - t, 0][c], y + [0, t, 1, 1 - t][c]]);
    }
    for (let p = 0; p + 1 < places.length; p += 2) pieces.push([places[p], places[p + 1]]);
  }
  return pieces;
}
