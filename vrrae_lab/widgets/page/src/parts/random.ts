// Random numbers that are the same for the same seed.

/** Numbers in [0, 1) (mulberry32). */
export function uniform(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One number of N(0, 1) (Box and Muller). */
export const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** `count` of them. */
export function normals(count: number, seed: number): number[] {
  const random = uniform(seed);
  return Array.from({ length: count }, () => normal(random));
}
