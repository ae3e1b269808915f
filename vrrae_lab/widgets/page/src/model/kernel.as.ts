// The one loop that every layer is: weighted sums over runs of numbers. Four pixels are computed at a time, eight outputs
// of each in two registers, so that what is read serves several times. `kernels.ts` says the same without SIMD.

/**
 * Lengths are in bytes. For the weights see `Plan.call`.
 *
 * @param x what the first pixel of the result sees
 * @param down from there to what the pixel below sees; `right` likewise
 * @param line from one row of x to the next
 * @param taps how many rows of x a pixel sees
 * @param run how much of each
 * @param blocks outputs / 8
 * @param y the first pixel of the result; `yDown` and `yRight` from there to the one below and beside it
 * @param rows of pixels of the result
 * @param floor what is below becomes this: 0 for a ReLU
 */
export function convolve(
  x: usize,
  down: usize,
  right: usize,
  line: usize,
  taps: usize,
  run: usize,
  weights: usize,
  blocks: usize,
  y: usize,
  yDown: usize,
  yRight: usize,
  rows: usize,
  columns: usize,
  floor: f32,
): void {
  const low = f32x4.splat(floor);
  // squares of 2×2 pixels; the last overlaps the one before where a side is odd, and folds where it is 1
  const lastRow = max(rows, 2) - 2;
  const lastColumn = max(columns, 2) - 2;
  const below = rows > 1 ? down : 0;
  const beside = columns > 1 ? right : 0;
  const yBelow = rows > 1 ? yDown : 0;
  const yBeside = columns > 1 ? yRight : 0;
  const across = below + beside;
  for (; blocks > 0; blocks--, y += 32) {
    let w: usize = weights;
    for (let row: usize = 0; row < rows; row += 2) {
      const i = min(row, lastRow);
      for (let column: usize = 0; column < columns; column += 2) {
        const j = min(column, lastColumn);
        let seen = x + i * down + j * right;
        let a0 = v128.load(weights);
        let a1 = v128.load(weights, 16);
        let b0 = a0;
        let b1 = a1;
        let c0 = a0;
        let c1 = a1;
        let d0 = a0;
        let d1 = a1;
        w = weights + 32;
        for (let tap: usize = 0; tap < taps; tap++, seen += line) {
          const end = seen + run;
          for (let from = seen; from < end; from += 4, w += 32) {
            const w0 = v128.load(w);
            const w1 = v128.load(w, 16);
            let s = v128.load_splat<f32>(from);
            a0 = add(a0, s, w0);
            a1 = add(a1, s, w1);
            s = v128.load_splat<f32>(from + beside);
            b0 = add(b0, s, w0);
            b1 = add(b1, s, w1);
            s = v128.load_splat<f32>(from + below);
            c0 = add(c0, s, w0);
            c1 = add(c1, s, w1);
            s = v128.load_splat<f32>(from + across);
            d0 = add(d0, s, w0);
            d1 = add(d1, s, w1);
          }
        }
        const to = y + i * yDown + j * yRight;
        write(to, a0, a1, low);
        write(to + yBeside, b0, b1, low);
        write(to + yBelow, c0, c1, low);
        write(to + yBelow + yBeside, d0, d1, low);
      }
    }
    weights = w;
  }
}

/** sum + a b, in one instruction where there is one. */
function add(sum: v128, a: v128, b: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, sum);
  return f32x4.add(sum, f32x4.mul(a, b));
}

function write(to: usize, first: v128, second: v128, low: v128): void {
  v128.store(to, f32x4.max(first, low));
  v128.store(to, f32x4.max(second, low), 16);
}
