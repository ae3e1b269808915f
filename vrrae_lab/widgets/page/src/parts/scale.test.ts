import { expect, test } from "vitest";
import { nearest, nice, scaleLinear, scaleLog, ticks } from "./scale";

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

test("round values lie within the axis and are 1, 2 or 5 apart; a range grows to such values", () => {
  expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
  expect(ticks(-0.13, 0.31, 4)).toEqual([-0.1, 0, 0.1, 0.2, 0.3]);
  expect(nice(3, 97, 4)).toEqual([0, 100]);
});

test("the nearest of a row", () => {
  expect([-1, 4, 6, 99].map((value) => nearest([0, 5, 10], value))).toEqual([0, 1, 1, 2]);
});
