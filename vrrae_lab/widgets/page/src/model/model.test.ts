// The engine against plain loops, by every kernel, on sizes where something is left over.
import { describe, expect, test } from "vitest";
import { kl, Model, type ArraySpec, type Layer, type ModelSpec, type Shape } from ".";
import { kernels } from "./kernels";

const numbers = Float32Array.from({ length: 6000 }, (_, i) => Math.sin(37 * i * i));
const weights = new DataView(numbers.buffer);
const product = (sizes: number[]) => sizes.reduce((a, b) => a * b, 1);

/** One of the numbers above, as an array of this shape: another for each `place`. */
const array = (shape: number[], place = 0): ArraySpec => ({ shape, dtype: "float32", offset: 400 * place });
const values = ({ shape, offset }: ArraySpec) => numbers.subarray(offset / 4, offset / 4 + product(shape));

function model(rank: number, decoder: Layer[], kernel: WebAssembly.Module | null, more: Partial<ModelSpec> = {}) {
  const encoder: Layer[] = [{ op: "linear", weight: array([rank, 1]) }];
  const rest = { name: "AE", family: "ae", shape: [1, 1, 1] as Shape, latentSize: rank, mean: [], logVariance: null };
  return new Model({ ...rest, rank, encoder, decoder, ...more }, weights, kernel);
}

/** Pixel m of the smaller image and pixel s m + p − P of the larger see each other through tap p. */
function convolved(x: ArrayLike<number>, from: Shape, to: Shape, layer: Layer & { op: "conv" | "transposed" }) {
  const transposed = layer.op === "transposed";
  const { stride, padding } = transposed ? { stride: 2, padding: 1 } : layer;
  const [small, large] = transposed ? [from, to] : [to, from];
  const [rows, columns, inputs, outputs] = layer.weight.shape;
  const w = values(layer.weight);
  const y = Array.from({ length: to[0] * to[1] }, () => [...values(layer.bias)]).flat();
  for (let m = 0; m < small[0] * small[1] * rows * columns; m++) {
    const [tap, pixel] = [m % (rows * columns), Math.floor(m / (rows * columns))];
    const row = stride * Math.floor(pixel / small[1]) + Math.floor(tap / columns) - padding;
    const column = stride * (pixel % small[1]) + (tap % columns) - padding;
    if (row < 0 || column < 0 || row >= large[0] || column >= large[1]) continue;
    const other = row * large[1] + column;
    for (let i = 0; i < inputs * outputs; i++) {
      const [input, output] = [Math.floor(i / outputs), i % outputs];
      const [seen, made] = transposed ? [pixel, other] : [other, pixel];
      y[made * outputs + output] += x[seen * inputs + input] * w[tap * inputs * outputs + i];
    }
  }
  return layer.relu ? y.map((v) => Math.max(v, 0)) : y;
}

function close(found: ArrayLike<number>, expected: number[]) {
  expect(found.length).toBe(expected.length);
  const scale = Math.max(1, ...expected.map(Math.abs));
  expect(Math.max(...expected.map((value, i) => Math.abs(value - found[i]))) / scale).toBeLessThan(1e-6);
}

describe.each([...kernels(), null])("kernel %#", (kernel) => {
  test.each<[Shape, Shape, number, number, number, number]>([
    [[7, 5, 3], [4, 3, 9], 3, 3, 2, 1],
    [[6, 6, 8], [6, 6, 8], 3, 3, 1, 1],
    [[4, 9, 2], [3, 5, 1], 2, 5, 1, 0],
    [[1, 1, 1], [1, 1, 17], 1, 1, 1, 0],
    [[3, 1, 5], [2, 1, 2], 3, 3, 2, 1],
  ])("a convolution of %j to %j by %i×%i, stride %i, padding %i", (from, to, rows, columns, stride, padding) => {
    const weight = array([rows, columns, from[2], to[2]], 1);
    const layer: Layer = { op: "conv", weight, bias: array([to[2]], 2), stride, padding, relu: true };
    const x = numbers.subarray(0, product(from));
    const made = model(x.length, [{ op: "reshape", shape: from }, layer], kernel);
    close(made.decode(x), convolved(x, from, to, layer));
  });

  test.each<[Shape, number]>([
    [[2, 3, 4], 8],
    [[1, 1, 9], 3],
    [[3, 2, 1], 11],
  ])("two transposed convolutions of %j, to %i channels and back", (from, channels) => {
    const [height, width, inputs] = from;
    const between: Shape = [2 * height, 2 * width, channels];
    const first = { op: "transposed" as const, weight: array([3, 3, inputs, channels], 1), bias: array([channels], 2) };
    const second = { op: "transposed" as const, weight: array([3, 3, channels, inputs], 3), bias: array([inputs], 4) };
    const x = numbers.subarray(0, product(from));
    const made = model(x.length, [{ op: "reshape", shape: from }, { ...first, relu: true }, second], kernel);
    const y = convolved(x, from, between, { ...first, relu: true });
    close(made.decode(x), convolved(y, between, [4 * height, 4 * width, inputs], second));
  });

  test("a linear layer takes an image pixel by pixel, and a sigmoid follows", () => {
    const conv = { op: "conv" as const, weight: array([1, 1, 1, 3], 1), bias: array([3], 2), stride: 1, padding: 0 };
    const linear = array([5, 12], 3);
    const layers: Layer[] = [{ op: "reshape", shape: [2, 2, 1] }, conv, { op: "linear", weight: linear }];
    const x = [0.3, -0.2, 0.9, 0.1];
    const image = convolved(x, [2, 2, 1], [2, 2, 3], conv);
    const y = [0, 1, 2, 3, 4].map((o) => image.reduce((sum, v, i) => sum + values(linear)[12 * o + i] * v, 0));
    const sigmoids = y.map((v) => 1 / (1 + Math.exp(-v)));
    close(model(4, [...layers, { op: "sigmoid" }], kernel).decode(x), sigmoids);
  });

  test("a posterior has its mean and its standard deviation", () => {
    const [mean, logVariance] = [array([2, 2], 1), array([2, 2], 2)];
    const layers = { mean: [{ op: "linear", weight: mean }], logVariance: [{ op: "linear", weight: logVariance }] };
    const posterior = model(2, [], kernel, layers as Partial<ModelSpec>).encode([0.7]);
    const apply = ([a, b, c, d]: Float32Array) => {
      const [p, q] = [0.7 * numbers[0], 0.7 * numbers[1]];
      return [a * p + b * q, c * p + d * q];
    };
    close(posterior.mean, apply(values(mean)));
    const deviations = apply(values(logVariance)).map((v) => Math.exp(v / 2));
    close(posterior.deviation!, deviations);
  });

  test("other weights take the place of the first, unless they are not finite", () => {
    const made = model(1, [{ op: "linear", weight: array([1, 1]) }], kernel);
    made.update(new DataView(new Float32Array([3]).buffer));
    expect([...made.decode([2])]).toEqual([6]);
    expect(() => made.update(new DataView(new Float32Array([Infinity]).buffer))).toThrow(
      "The weights of AE contain NaN or infinity: it has diverged. Train it again with a lower learning rate.",
    );
    expect([...made.decode([2])]).toEqual([6]);
  });
});

test("only without a kernel a model is slow", () => {
  expect([null, kernels()[0]].map((kernel) => model(1, [], kernel).slow)).toEqual([true, false]);
});

test("numbers that are not as many as the model takes are refused", () => {
  expect(() => model(2, [], null).decode([1, 2, 3])).toThrow("AE takes 1×1×2 numbers, not 3");
  expect(() => model(2, [], null).encode([1, 2])).toThrow("AE takes 1×1×1 numbers, not 2");
});

test("halves are read from any byte, small ones too, and infinity is none", () => {
  const bytes = new Uint8Array(13);
  bytes.set(new Uint8Array(new Uint16Array([0x3c00, 0xc000, 0x0001, 0x7bff, 0x3555, 0x7c00]).buffer), 1);
  const view = new DataView(bytes.buffer);
  const weight: ArraySpec = { shape: [5, 1], dtype: "float16", offset: 1 };
  const spec = (decoder: ArraySpec): ModelSpec => ({
    ...model(1, [], null).spec,
    encoder: [{ op: "linear", weight: { ...weight, shape: [1, 1] } }],
    decoder: [{ op: "linear", weight: decoder }],
  });
  const decoded = new Model(spec(weight), view, null).decode([1]);
  expect([...decoded]).toEqual([1, -2, 2 ** -24, 65504, Math.fround(0x555 / 2 ** 12)]);
  expect(() => new Model(spec({ ...weight, shape: [6, 1] }), view, null)).toThrow("NaN or infinity");
});

test("the KL divergence is exact near the prior", () => {
  expect([...kl([0, 1, 0], [1, 1, 2])]).toEqual([0, 0.5, 0.5 * (3 - Math.log(4))]);
  expect(kl([0], [1 + 1e-8])[0] / 1e-16).toBeCloseTo(1, 6);
});
