// A frozen autoencoder in the page: images to coefficients and back, by itself.
import { kernels, plain } from "./kernels";
import { Plan, put, take, type Convolve, type Frame, type Step } from "./plan";
import { read, type ModelSpec } from "./spec";

export type { ArraySpec, Layer, ModelSpec, Shape } from "./spec";

/** What a model knows of an image: for each coefficient a mean, and s if it is no deterministic model. */
export interface Posterior {
  mean: Float32Array;
  deviation: Float32Array | null;
}

export class Model {
  /** Whether it goes without WebAssembly SIMD, which takes ten times as long. */
  readonly slow = !this.kernel;
  private readonly plan = new Plan();
  private readonly encoding: Step[] = [];
  private readonly decoding: Step[] = [];
  private readonly x = this.plan.frame(this.spec.shape, this.spec.encoder[0]);
  private readonly coefficients = this.plan.add(this.spec.encoder, this.x, this.encoding);
  private readonly mean = this.plan.add(this.spec.mean, this.coefficients, this.encoding);
  private readonly logVariance =
    this.spec.logVariance && this.plan.add(this.spec.logVariance, this.coefficients, this.encoding);
  private readonly z = this.plan.frame([1, 1, this.spec.rank], this.spec.decoder[0]);
  private readonly decoded = this.plan.add(this.spec.decoder, this.z, this.decoding);
  private readonly memory: Float32Array;
  private readonly convolve: Convolve;

  /** Throws an Error in words if the weights are not finite. */
  static load(spec: ModelSpec, weights: DataView): Model {
    return new Model(spec, weights, kernels()[0] ?? null);
  }

  /** Where `kernel` is null, plain loops compute. */
  constructor(
    readonly spec: ModelSpec,
    weights: DataView,
    private readonly kernel: WebAssembly.Module | null,
  ) {
    if (kernel) {
      const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * this.plan.size) / 65_536) });
      this.memory = new Float32Array(memory.buffer);
      this.convolve = new WebAssembly.Instance(kernel, { env: { memory } }).exports.convolve as Convolve;
    } else {
      this.memory = new Float32Array(this.plan.size);
      this.convolve = plain(this.memory);
    }
    this.update(weights);
  }

  /** Other weights for the same model, as of another step of its training. */
  update(weights: DataView): void {
    const arrays = new Map([...this.plan.arrays].map((array) => [array, read(array, weights)]));
    for (const numbers of arrays.values()) {
      if (!finite(numbers)) {
        const what = `The weights of ${this.spec.name} contain NaN or infinity`;
        throw new Error(`${what}: it has diverged. Train it again with a lower learning rate.`);
      }
    }
    for (const fill of this.plan.fill) fill(this.memory, arrays);
  }

  /** The posterior of an image, whose numbers come pixel by pixel. */
  encode(x: ArrayLike<number>): Posterior {
    this.run(this.encoding, this.x, x);
    const mean = take(this.memory, this.mean);
    const deviation = this.logVariance && take(this.memory, this.logVariance).map((v) => Math.exp(v / 2));
    return { mean, deviation };
  }

  /** The image of coefficients. */
  decode(z: ArrayLike<number>): Float32Array {
    this.run(this.decoding, this.z, z);
    return take(this.memory, this.decoded);
  }

  private run(steps: Step[], input: Frame, values: ArrayLike<number>): void {
    const { shape } = input;
    if (values.length !== shape[0] * shape[1] * shape[2]) {
      throw new Error(`${this.spec.name} takes ${shape.join("×")} numbers, not ${values.length}.`);
    }
    put(this.memory, input, values);
    for (const step of steps) step(this.memory, this.convolve);
  }
}

function finite(numbers: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) sum += 0 * numbers[i];
  return sum === 0;
}

/** KL divergence of each coefficient's posterior from N(0, 1), in nats: ½ (μ² + s² − 1 − log s²). */
export function kl(mean: ArrayLike<number>, deviation: ArrayLike<number>): Float64Array {
  return Float64Array.from(mean, (m, j) => {
    const logVariance = 2 * Math.log(deviation[j]);
    return 0.5 * (m * m + Math.expm1(logVariance) - logVariance); // exact near the prior, where the terms cancel
  });
}
