import { expect, test } from "vitest";
import { scaleLinear, scaleLog } from "./scale";

test("a linear scale maps its ends to the ends, and back", () => {
  const x = scaleLinear([-4, 4], [10, 90]);
  expect([x(-4), x(0), x(4), x.invert(50)]).toEqual([10, 50, 90, 0]);
  expect(x.ticks(4)).toEqual([-4, -2, 0, 2, 4]);
});

test("equal ways of a logarithmic scale are equal factors", () => {
  const y = scaleLog([0.01, 100], [100, 0]);
  expect([y(0.01), y(1), y(100)].map(Math.round)).toEqual([100, 50, 0]);
  expect(y.invert(25)).toBeCloseTo(10);
  expect(y.ticks(5)).toEqual([0.01, 0.1, 1, 10, 100]);
});

test("an axis of less than two powers of ten has 2 and 5 too", () => {
  expect(scaleLog([1.5, 30], [0, 1]).ticks()).toEqual([2, 5, 10, 20]);
});
