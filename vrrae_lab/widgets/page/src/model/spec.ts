// What a frozen model is in the page: a short list of layers over one buffer of weights. `weights.py` writes it.

/** Where an array lies in the buffer of weights: row-major, little-endian. */
export interface ArraySpec {
  shape: number[];
  dtype: "float32" | "float16";
  /** Bytes from the start of the buffer. */
  offset: number;
}

export type Shape = [height: number, width: number, channels: number];

export type Layer =
  /** y = W x + b, W is (out, in). An image is taken pixel by pixel, as JAX flattens (height, width, channels). */
  | { op: "linear"; weight: ArraySpec; bias?: ArraySpec; relu?: boolean }
  /** Weight as `vrrae_lab.convolution` keeps it: (kernel height, kernel width, in, out). */
  | { op: "conv"; weight: ArraySpec; bias: ArraySpec; stride: number; padding: number; relu?: boolean }
  /** 3×3, stride 2, padding 1, output padding 1: each side is doubled. */
  | { op: "transposed"; weight: ArraySpec; bias: ArraySpec; relu?: boolean }
  | { op: "sigmoid" }
  /** Numbers to an image. */
  | { op: "reshape"; shape: Shape };

export interface ModelSpec {
  /** "VRRAE": its name to readers. */
  name: string;
  /** Its colour: "ae", "vae", "rrae" or "vrrae". */
  family: string;
  /** Of its images. */
  shape: Shape;
  /** Length of the latent vector, before an SVD cuts it. */
  latentSize: number;
  /** How many coefficients it has. */
  rank: number;
  /** Images to coefficients; an SVD's basis is its last layer, as it is the decoder's first. */
  encoder: Layer[];
  /** Coefficients to the posterior mean; none for f = I. */
  mean: Layer[];
  /** Coefficients to log s²; null for a deterministic model. */
  logVariance: Layer[] | null;
  /** Coefficients to an image. */
  decoder: Layer[];
}

/** The array's numbers. */
export function read({ shape, dtype, offset }: ArraySpec, weights: DataView): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const start = weights.byteOffset + offset;
  const bytes = weights.buffer.slice(start, start + count * (dtype === "float16" ? 2 : 4)); // may start at any byte
  if (dtype === "float32") return new Float32Array(bytes);
  return floats(new Uint16Array(bytes));
}

/** Halves by their bits; what is infinite there is NaN here. */
export function floats(halves: Uint16Array): Float32Array {
  // the bits of a half in their places in a float are its value but for the bias of the exponent, 127 − 15
  const bits = Uint32Array.from(halves, (half) => ((half & 0x8000) << 16) | ((half & 0x7fff) << 13));
  return new Float32Array(bits.buffer).map((value, i) => ((halves[i] & 0x7c00) === 0x7c00 ? NaN : value * 2 ** 112));
}
