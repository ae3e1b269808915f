// Gaussian kernels on points: their density on a grid, and how well each point is predicted by the others.

/** The root of the mean variance of the coordinates. */
export function scaleOf(points: number[][]): number {
  const dimension = points[0].length;
  let total = 0;
  for (let d = 0; d < dimension; d++) {
    const mean = points.reduce((sum, p) => sum + p[d], 0) / points.length;
    total += points.reduce((sum, p) => sum + (p[d] - mean) ** 2, 0) / (points.length - 1);
  }
  return Math.sqrt(total / dimension);
}

/** The mean log density of each point under the kernels of all others, for `count` bandwidths high · 2^(−k/8). */
export function leaveOneOut(points: number[][], high: number, count = 1): Float64Array {
  const n = points.length;
  const dimension = points[0].length;
  const rate = Float64Array.from({ length: count }, (_, k) => 1 / (2 * (high * 2 ** (-k / 8)) ** 2));
  const result = new Float64Array(count);
  const distances = new Float64Array(n);
  const sums = new Float64Array(count);
  for (let i = 0; i < n; i++) {
    let least = Infinity;
    for (let j = 0; j < n; j++) {
      let d = 0;
      for (let c = 0; c < dimension; c++) d += (points[i][c] - points[j][c]) ** 2;
      distances[j] = d;
      if (j !== i && d < least) least = d;
    }
    sums.fill(0);
    for (let j = 0; j < n; j++) {
      if (j === i) continue;
      // four bandwidths further h² is half as large, and the exponential is squared
      for (let first = 0; first < Math.min(4, count); first++) {
        let e = Math.exp(-(distances[j] - least) * rate[first]);
        for (let k = first; k < count && e > 1e-18; k += 4, e *= e) sums[k] += e;
      }
    }
    for (let k = 0; k < count; k++) result[k] += Math.log(sums[k]) - least * rate[k];
  }
  for (let k = 0; k < count; k++)
    result[k] = result[k] / n - Math.log(n - 1) + (dimension / 2) * Math.log(rate[k] / Math.PI);
  return result;
}

/** Where a curve is highest, between its places too: the top of the parabola through the highest and its neighbours. */
export function peak(curve: ArrayLike<number>): number {
  let at = 0;
  for (let k = 1; k < curve.length; k++) if (curve[k] > curve[at]) at = k;
  const [before, here, after] = [curve[at - 1], curve[at], curve[at + 1]];
  const bend = before - 2 * here + after;
  return bend < 0 ? at + (before - after) / (2 * bend) : at;
}

/** The density at every pair of `xs` and `ys`, a row for each y; of points on a line `ys` is left out. */
export function densityOn(points: number[][], h: number, xs: number[], ys: number[] = [0]): Float64Array {
  const cells = new Float64Array(xs.length * ys.length);
  const across = new Float64Array(xs.length);
  const dimension = points[0].length;
  const norm = (2 * Math.PI * h * h) ** (-dimension / 2) / points.length;
  for (const point of points) {
    for (let i = 0; i < xs.length; i++) across[i] = norm * Math.exp(-0.5 * ((xs[i] - point[0]) / h) ** 2);
    for (let j = 0; j < ys.length; j++) {
      const up = dimension > 1 ? Math.exp(-0.5 * ((ys[j] - point[1]) / h) ** 2) : 1;
      if (up > 1e-12) for (let i = 0; i < xs.length; i++) cells[j * xs.length + i] += up * across[i];
    }
  }
  return cells;
}
