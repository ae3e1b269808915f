// The engine against plain loops, by every kernel, on sizes where something is left over.
import { describe, expect, test } from "vitest";
import { kl, Model, type Layer, type ModelSpec, type Shape } from ".";
import { kernels } from "./kernels";

const random = (() => {
  let seed = 1;
  return () => ((seed = (seed * 48271) % 2147483647) / 2147483647) * 2 - 1;
})();

/** A model whose decoder is `layers`, by way of an encoder that is one number. */
class Case {
  numbers: number[] = [];

  array(...shape: number[]) {
    const offset = 4 * this.numbers.length;
    for (let i = shape.reduce((a, b) => a * b, 1); i > 0; i--) this.numbers.push(random());
    return { shape, dtype: "float32" as const, offset };
  }

  values({ shape, offset }: { shape: number[]; offset: number }) {
    const size = shape.reduce((a, b) => a * b, 1);
    return this.numbers.slice(offset / 4, offset / 4 + size);
  }

  model(rank: number, decoder: Layer[], kernel: WebAssembly.Module | null, more: Partial<ModelSpec> = {}) {
    const encoder: Layer[] = [{ op: "linear", weight: this.array(rank, 1) }];
    const plain = { name: "AE", family: "ae", latentSize: rank, rank, encoder, mean: [], logVariance: null, decoder };
    const weights = new DataView(new Float32Array(this.numbers).buffer);
    return new Model({ shape: [1, 1, 1], ...plain, ...more }, weights, kernel);
  }
}

const at = (x: number[], [height, width, channels]: Shape, i: number, j: number, c: number) =>
  i < 0 || j < 0 || i >= height || j >= width ? 0 : x[(i * width + j) * channels + c];

describe.each([...kernels(), null])("kernel %#", (kernel) => {
  test.each<[Shape, number, number, number, number, number]>([
    [[7, 5, 3], 9, 3, 3, 2, 1],
    [[6, 6, 8], 8, 3, 3, 1, 1],
    [[4, 9, 2], 1, 2, 5, 1, 0],
    [[1, 1, 1], 17, 1, 1, 1, 0],
    [[3, 1, 5], 2, 3, 3, 2, 1],
  ])(
    "a convolution of %j to %i channels, kernel %i×%i, stride %i, padding %i",
    (shape, outputs, p, q, stride, padding) => {
      const [height, width, channels] = shape;
      const made = new Case();
      const weight = made.array(p, q, channels, outputs);
      const bias = made.array(outputs);
      const size = height * width * channels;
      const layers: Layer[] = [
        { op: "reshape", shape },
        { op: "conv", weight, bias, stride, padding, relu: true },
      ];
      const model = made.model(size, layers, kernel);
      const x = Array.from({ length: size }, random);
      const expected: number[] = [];
      const w = made.values(weight);
      for (let i = -padding; i + p <= height + padding; i += stride) {
        for (let j = -padding; j + q <= width + padding; j += stride) {
          for (let o = 0; o < outputs; o++) {
            let sum = made.values(bias)[o];
            for (let a = 0; a < p; a++) {
              for (let b = 0; b < q; b++) {
                for (let c = 0; c < channels; c++) {
                  sum += at(x, shape, i + a, j + b, c) * w[((a * q + b) * channels + c) * outputs + o];
                }
              }
            }
            expected.push(Math.max(sum, 0));
          }
        }
      }
      close(model.decode(x), expected);
    },
  );

  test.each<[Shape, number]>([
    [[2, 3, 4], 8],
    [[1, 1, 9], 3],
    [[3, 2, 1], 11],
  ])("a transposed convolution of %j to %i channels, then a convolution", (shape, outputs) => {
    const [height, width, channels] = shape;
    const made = new Case();
    const weight = made.array(3, 3, channels, outputs);
    const bias = made.array(outputs);
    // twice each pixel, its neighbours unseen: what comes out of the one layer is what the other finds
    const twice = { shape: [1, 1, outputs, outputs], dtype: "float32" as const, offset: 4 * made.numbers.length };
    for (let i = 0; i < outputs ** 2; i++) made.numbers.push(i % (outputs + 1) ? 0 : 2);
    const none = { shape: [outputs], dtype: "float32" as const, offset: 4 * made.numbers.length };
    for (let i = 0; i < outputs; i++) made.numbers.push(0);
    const size = height * width * channels;
    const model = made.model(
      size,
      [
        { op: "reshape", shape },
        { op: "transposed", weight, bias },
        { op: "conv", weight: twice, bias: none, stride: 1, padding: 0 },
      ],
      kernel,
    );
    const x = Array.from({ length: size }, random);
    const w = made.values(weight);
    const y = Array.from({ length: 4 * height * width }, () => made.values(bias)).flat();
    // scattered as it is defined: pixel m reaches 2 m + p − 1
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        for (let a = 0; a < 3; a++) {
          for (let b = 0; b < 3; b++) {
            const [row, column] = [2 * i + a - 1, 2 * j + b - 1];
            if (row < 0 || column < 0) continue;
            for (let c = 0; c < channels; c++) {
              for (let o = 0; o < outputs; o++) {
                y[(row * 2 * width + column) * outputs + o] +=
                  at(x, shape, i, j, c) * w[((a * 3 + b) * channels + c) * outputs + o];
              }
            }
          }
        }
      }
    }
    const expected = y.map((value) => 2 * value);
    close(model.decode(x), expected);
  });

  test("a linear layer takes an image pixel by pixel, and a sigmoid follows", () => {
    const made = new Case();
    const kernelOfOne = made.array(1, 1, 1, 3);
    const none = made.array(3);
    const weight = made.array(5, 12);
    const layers: Layer[] = [
      { op: "reshape", shape: [2, 2, 1] },
      { op: "conv", weight: kernelOfOne, bias: none, stride: 1, padding: 0 },
      { op: "linear", weight },
      { op: "sigmoid" },
    ];
    const model = made.model(4, layers, kernel);
    const x = [0.3, -0.2, 0.9, 0.1];
    const image = x.flatMap((v) => made.values(kernelOfOne).map((w, o) => w * v + made.values(none)[o]));
    const w = made.values(weight);
    const sums = Array.from({ length: 5 }, (_, o) => image.reduce((sum, v, i) => sum + w[12 * o + i] * v, 0));
    close(
      model.decode(x),
      sums.map((v) => 1 / (1 + Math.exp(-v))),
    );
  });

  test("a posterior has its mean and its standard deviation", () => {
    const made = new Case();
    const encoder: Layer[] = [{ op: "linear", weight: made.array(2, 1) }];
    const [mean, logVariance] = [made.array(2, 2), made.array(2, 2)];
    const posterior: Partial<ModelSpec> = {
      encoder,
      mean: [{ op: "linear", weight: mean }],
      logVariance: [{ op: "linear", weight: logVariance }],
    };
    const model = made.model(2, [], kernel, posterior);
    const y = made.numbers.slice(0, 2).map((w) => 0.7 * w);
    const apply = (w: number[]) => [w[0] * y[0] + w[1] * y[1], w[2] * y[0] + w[3] * y[1]];
    const { mean: found, deviation } = model.encode([0.7]);
    close(found, apply(made.values(mean)));
    close(
      deviation!,
      apply(made.values(logVariance)).map((v) => Math.exp(v / 2)),
    );
  });

  test("other weights take the place of the first, unless they are not finite", () => {
    const made = new Case();
    const weight = made.array(1, 1);
    const model = made.model(1, [{ op: "linear", weight }], kernel);
    model.update(new DataView(new Float32Array([3, 3]).buffer));
    expect([...model.decode([2])]).toEqual([6]);
    expect(() => model.update(new DataView(new Float32Array([1, Infinity]).buffer))).toThrow(
      "The weights of AE contain NaN or infinity: it has diverged. Train it again with a lower learning rate.",
    );
    expect([...model.decode([2])]).toEqual([6]);
  });
});

test("only without a kernel a model is slow", () => {
  const made = new Case();
  const layers: Layer[] = [{ op: "linear", weight: made.array(1, 1) }];
  expect(made.model(1, layers, null).slow).toBe(true);
  expect(made.model(1, layers, kernels()[0]).slow).toBe(false);
});

test("numbers that are not as many as the model takes are refused", () => {
  const made = new Case();
  const model = made.model(2, [{ op: "linear", weight: made.array(1, 2) }], null);
  expect(() => model.decode([1, 2, 3])).toThrow("AE takes 1×1×2 numbers, not 3");
  expect(() => model.encode([1, 2])).toThrow("AE takes 1×1×1 numbers, not 2");
});

test("halves are read, small and odd ones too", () => {
  const made = new Case();
  const halves = new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0x3c00]);
  const weight = { shape: [5, 1], dtype: "float16" as const, offset: 1 };
  const bytes = new Uint8Array(14);
  bytes.set(new Uint8Array(halves.buffer), 1);
  const spec = made.model(1, [{ op: "linear", weight: made.array(1, 1) }], null).spec;
  const encoder: Layer[] = [{ op: "linear", weight: { shape: [1, 1], dtype: "float16", offset: 11 } }];
  const model = new Model({ ...spec, encoder, decoder: [{ op: "linear", weight }] }, new DataView(bytes.buffer), null);
  expect([...model.decode([1])]).toEqual([1, -2, 2 ** -24, 65504, Math.fround(0x555 / 2 ** 12)]);
  bytes.set([0, 0x7c], 1);
  expect(() => model.update(new DataView(bytes.buffer))).toThrow("NaN or infinity");
});

test("the KL divergence is exact near the prior", () => {
  expect([...kl([0, 1, 0], [1, 1, 2])]).toEqual([0, 0.5, 0.5 * (3 - Math.log(4))]);
  expect(kl([0], [1 + 1e-8])[0] / 1e-16).toBeCloseTo(1, 6);
});

function close(found: ArrayLike<number>, expected: number[]) {
  expect(found.length).toBe(expected.length);
  const scale = Math.max(1, ...expected.map(Math.abs));
  expect(Math.max(...expected.map((value, i) => Math.abs(found[i] - value))) / scale).toBeLessThan(1e-6);
}
