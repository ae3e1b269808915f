import { describe, expect, it } from "vitest";
import { normals } from "../parts/random";
import { densityOn, leaveOneOut, peak, scaleOf } from "./kernels";

const plane = (n: number) => {
  const draws = normals(2 * n, 7);
  return Array.from({ length: n }, (_, i) => [draws[2 * i], 3 + 0.3 * draws[2 * i + 1]]);
};

describe("kernels", () => {
  it("give the leave-one-out likelihood at every bandwidth of the curve", () => {
    for (const points of [plane(20), plane(20).map(([x]) => [x])]) {
      const curve = leaveOneOut(points, 2, 30);
      for (const k of [0, 3, 4, 17, 29]) {
        const h = 2 * 2 ** (-k / 8);
        let mean = 0;
        points.forEach((p, i) => {
          const at = points.filter((_, j) => j !== i);
          const sum = at.reduce(
            (s, q) => s + Math.exp(-q.reduce((d, v, c) => d + (v - p[c]) ** 2, 0) / (2 * h * h)),
            0,
          );
          mean += Math.log(sum / at.length / (2 * Math.PI * h * h) ** (p.length / 2)) / points.length;
        });
        expect(curve[k]).toBeCloseTo(mean, 9);
        expect(leaveOneOut(points, h)[0]).toBeCloseTo(mean, 9);
      }
    }
  });

  it("stay finite where every kernel underflows", () => {
    const [value] = leaveOneOut([[0], [1]], 0.001);
    expect(value).toBeCloseTo(-0.5e6 - Math.log(0.001 * Math.sqrt(2 * Math.PI)), 3);
  });

  it("have a density that integrates to 1", () => {
    const grid = Array.from({ length: 161 }, (_, i) => -5 + i / 10);
    const sum = (cells: Float64Array) => cells.reduce((s, v) => s + v, 0);
    expect(sum(densityOn(plane(9), 0.5, grid, grid)) * 0.01).toBeCloseTo(1, 5);
    expect(sum(densityOn([[1], [2]], 0.5, grid)) * 0.1).toBeCloseTo(1, 5);
  });

  it("find the top of a curve between its places, and at its ends", () => {
    expect(peak([0, 3, 4, 1].map((_, i) => -((i - 1.7) ** 2)))).toBeCloseTo(1.7, 12);
    expect(peak([3, 2, 1])).toBe(0);
    expect(peak([1, 2, 3])).toBe(2);
  });

  it("have a scale of the points", () => {
    expect(scaleOf([[0], [2]])).toBeCloseTo(Math.SQRT2, 12);
  });
});
