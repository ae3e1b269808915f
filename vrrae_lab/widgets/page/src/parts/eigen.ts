// Two dimensions, where an eigendecomposition is a formula.
export type Point = [number, number];

/** Eigenvalues of [[a, b], [b, c]], the larger first, and the angle of its eigenvector, from −π/2 to π/2. */
export function eigen(a: number, b: number, c: number): { values: Point; angle: number } {
  const radius = Math.hypot((a - c) / 2, b);
  return { values: [(a + c) / 2 + radius, (a + c) / 2 - radius], angle: Math.atan2(2 * b, a - c) / 2 };
}
