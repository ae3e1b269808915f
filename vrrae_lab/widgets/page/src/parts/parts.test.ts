import { expect, test } from "vitest";
import { apart } from "./chart";
import { contour } from "./contour";
import { densities, places } from "./Lobes";
import { centroids } from "./Map";
import { short } from "./scale";

test("labels keep their gap, their order and the limits", () => {
  expect(apart([10, 11, 50], 14, 0, 100)).toEqual([10, 24, 50]);
  expect(apart([98, 97], 14, 0, 100)).toEqual([100, 86]);
  expect(apart([-5], 14, 0, 100)).toEqual([0]);
});

test("numbers are written for readers", () => {
  expect([0.03, 1e-5, -2, 123456, 0, NaN, Infinity].map(short)).toEqual([
    "0.03",
    "1.0e−5",
    "−2",
    "1.2e5",
    "0",
    "not a number",
    "∞",
  ]);
});

test("the density of a coefficient integrates to one, in units of the prior's peak", () => {
  const values = Float32Array.from({ length: 600 }, (_, i) => (i % 2 ? 1 : -1) * ((i % 60) / 30));
  const [first, second] = densities(values, 2, 4);
  const step = places(4)[1] - places(4)[0];
  for (const density of [first, second]) {
    const area = density.reduce((sum, value) => sum + value, 0) * step * 0.39894;
    expect(area).toBeCloseTo(1, 2);
  }
  // the first column is negative, the second positive
  expect(first.indexOf(Math.max(...first))).toBeLessThan(30);
  expect(second.indexOf(Math.max(...second))).toBeGreaterThan(30);
});

test("numerals of near classes stand apart, and an empty class has none", () => {
  const labels = Int32Array.from([0, 1, 1, 3]);
  const screen = Float32Array.from([50, 50, 51, 50, 51, 50, 150, 20]);
  const [a, b, none, far] = centroids(labels, 4, screen, 200);
  expect(Math.hypot(a![0] - b![0], a![1] - b![1])).toBeGreaterThan(20);
  expect(none).toBeUndefined();
  expect(far![0]).toBeCloseTo(150, 0);
});

test("a contour lies where the grid has its height", () => {
  const width = 21;
  const heights = Array.from({ length: width * width }, (_, i) =>
    Math.hypot((i % width) - 10, Math.floor(i / width) - 10),
  );
  const pieces = contour(heights, width, 6.5);
  expect(pieces.length).toBeGreaterThan(30);
  for (const [x, y] of pieces.flat()) expect(Math.hypot(x - 10, y - 10)).toBeCloseTo(6.5, 1);
  expect(contour(heights, width, 99)).toEqual([]);
});
