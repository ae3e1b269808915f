// Layers as calls of one loop, `convolve`, over one memory.
//
// An image lies in memory as a frame: its pixels row by row, the channels of each together, and around them as many
// zeros as the next layer looks beyond the edge. So what a pixel of the result sees is one unbroken run of numbers for
// each row of the kernel, and no index is ever checked. A linear layer is a kernel as large as the image. A transposed
// convolution is four convolutions, one for each phase of the larger image: along one axis
// y[2t] = w₁ x[t] and y[2t + 1] = w₂ x[t] + w₀ x[t + 1].
import type { ArraySpec, Layer, Shape } from "./spec";

/** See kernel.as.ts. */
export type Convolve = (...numbers: number[]) => void;

export type Step = (memory: Float32Array, convolve: Convolve) => void;

/** An image in memory, or numbers as one of 1×1. All lengths but the shape count floats. */
export interface Frame {
  shape: Shape;
  /** The first zero of the margin, and the first pixel. */
  corner: number;
  first: number;
  /** From a row, and from a pixel, to the next. */
  line: number;
  step: number;
}

type Strides = [row: number, column: number, input: number, output: number];

/** What of a layer's weights is used, in this order, and how far apart the numbers lie. */
interface Kernel {
  weight: ArraySpec;
  rows: number[];
  columns: number[];
  strides: Strides;
  bias?: ArraySpec;
  relu?: boolean;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const PHASES = [[1], [2, 0]];

const upToEight = (count: number) => Math.ceil(count / 8) * 8;
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

export class Plan {
  /** Floats of memory that all this needs. */
  size = 0;
  /** The weights that the steps use, and what puts them where they are looked for. */
  readonly arrays = new Set<ArraySpec>();
  readonly fill: ((memory: Float32Array, arrays: Map<ArraySpec, Float32Array>) => void)[] = [];

  /** Appends to `steps` what applies `layers` to `from`; returns where the result will be. */
  add(layers: Layer[], from: Frame, steps: Step[]): Frame {
    return layers.reduce((frame, layer, i) => this.layer(layer, frame, layers[i + 1], steps), from);
  }

  private layer(layer: Layer, from: Frame, next: Layer | undefined, steps: Step[]): Frame {
    const [height, width, channels] = from.shape;
    if (layer.op === "reshape") {
      const to = this.frame(layer.shape, next);
      steps.push((memory) => put(memory, to, take(memory, from)));
      return to;
    }
    if (layer.op === "sigmoid") {
      const to = this.frame(from.shape, next);
      steps.push((memory) => put(memory, to, take(memory, from).map(sigmoid)));
      return to;
    }
    const { weight, bias, relu } = layer;
    if (layer.op === "linear") {
      const [outputs, inputs] = weight.shape;
      const to = this.frame([1, 1, outputs], next, upToEight(outputs));
      const unbroken = from.step === channels && from.line === width * channels;
      const kernel = unbroken
        ? { rows: [0], columns: [0], strides: [0, 0, 1, inputs] as Strides }
        : { rows: range(height), columns: range(width), strides: [width * channels, channels, 1, inputs] as Strides };
      const seen = unbroken ? { ...from, shape: [1, 1, inputs] as Shape, step: inputs } : from;
      steps.push(this.call({ weight, bias, relu, ...kernel }, seen, to));
      return to;
    }
    const [rows, columns, inputs, outputs] = weight.shape;
    const strides: Strides = [columns * inputs * outputs, inputs * outputs, outputs, 1];
    if (layer.op === "conv") {
      const { stride, padding } = layer;
      const size = (side: number, taps: number) => Math.floor((side + 2 * padding - taps) / stride) + 1;
      const to = this.frame([size(height, rows), size(width, columns), outputs], next, upToEight(outputs));
      const kernel = { weight, rows: range(rows), columns: range(columns), strides, bias, relu };
      steps.push(this.call(kernel, { ...from, first: from.corner }, to, stride));
      return to;
    }
    const to = this.frame([2 * height, 2 * width, outputs], next, upToEight(outputs));
    PHASES.forEach((rows, i) =>
      PHASES.forEach((columns, j) => {
        const first = to.first + i * to.line + j * to.step;
        const phase = { ...to, shape: [height, width, outputs] as Shape, first, line: 2 * to.line, step: 2 * to.step };
        steps.push(this.call({ weight, rows, columns, strides, bias, relu }, from, phase));
      }),
    );
    return to;
  }

  /** Room for an image that `next` will be applied to. */
  frame(shape: Shape, next?: Layer, step = shape[2]): Frame {
    const before = next?.op === "conv" ? next.padding : 0;
    const after = next?.op === "transposed" ? 1 : before;
    const line = (before + shape[1] + after) * step;
    const corner = this.reserve((before + shape[0] + after) * line);
    return { shape, corner, first: corner + before * (line + step), line, step };
  }

  /** One call of the loop: each pixel of `to` from a window of `from`. */
  call(kernel: Kernel, from: Frame, to: Frame, stride = 1): Step {
    const { rows, columns, strides } = kernel;
    const [height, width, outputs] = to.shape;
    const inputs = from.shape[2];
    const blocks = Math.ceil(outputs / 8);
    const run = columns.length * from.step;
    const weights = this.reserve(8 * blocks * (1 + rows.length * run));
    this.arrays.add(kernel.weight);
    if (kernel.bias) this.arrays.add(kernel.bias);
    // for each eight outputs the bias, then the weights in the order in which they are used
    this.fill.push((memory, arrays) => {
      const numbers = arrays.get(kernel.weight)!;
      const bias = kernel.bias && arrays.get(kernel.bias)!;
      let to = weights;
      for (let start = 0; start < outputs; start += 8) {
        const end = Math.min(start + 8, outputs);
        for (let o = start; o < end; o++) memory[to + o - start] = bias ? bias[o] : 0;
        to += 8;
        for (const row of rows) {
          for (const column of columns) {
            for (let o = start; o < end; o++) {
              const first = row * strides[0] + column * strides[1] + o * strides[3];
              spread(memory, to + o - start, numbers, first, strides[2], inputs);
            }
            to += 8 * from.step;
          }
        }
      }
    });
    const seen = [from.first, stride * from.line, stride * from.step, from.line].map(bytes);
    const made = [to.first, to.line, to.step].map(bytes);
    const numbers = [...seen, rows.length, bytes(run), bytes(weights), blocks, ...made, height, width];
    return (_, convolve) => convolve(...numbers, kernel.relu ? 0 : -Infinity);
  }

  private reserve(count: number): number {
    this.size += upToEight(count);
    return this.size - upToEight(count);
  }
}

const bytes = (floats: number) => 4 * floats;

/** To every eighth place. */
function spread(to: Float32Array, place: number, from: Float32Array, first: number, stride: number, count: number) {
  for (let i = 0; i < count; i++) to[place + 8 * i] = from[first + stride * i];
}

/** Write an image, or numbers. */
export function put(memory: Float32Array, { shape, first, line, step }: Frame, values: ArrayLike<number>): void {
  const [height, width, channels] = shape;
  let i = 0;
  for (let row = 0; row < height; row++) {
    for (let pixel = first + row * line; pixel < first + row * line + width * step; pixel += step) {
      for (let c = 0; c < channels; c++) memory[pixel + c] = values[i++];
    }
  }
}

/** Read them. */
export function take(memory: Float32Array, { shape, first, line, step }: Frame): Float32Array {
  const [height, width, channels] = shape;
  const values = new Float32Array(height * width * channels);
  let i = 0;
  for (let row = 0; row < height; row++) {
    for (let pixel = first + row * line; pixel < first + row * line + width * step; pixel += step) {
      for (let c = 0; c < channels; c++) values[i++] = memory[pixel + c];
    }
  }
  return values;
}
