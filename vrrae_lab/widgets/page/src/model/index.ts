// What a frozen model is in the page: a short list of layers over one buffer of weights. `Model` runs it.

/** Where an array lies in the buffer of weights: row-major, little-endian. */
export interface ArraySpec {
  shape: number[];
  dtype: "float32" | "float16";
  /** Bytes from the start of the buffer; a multiple of 4. */
  offset: number;
}

export type Layer =
  /** y = W x + b, W is (out, in). Inputs of more than one axis are flattened as (height, width, channels) are in JAX. */
  | { op: "linear"; weight: ArraySpec; bias?: ArraySpec }
  | { op: "relu" | "sigmoid" | "tanh" }
  /** (height, width, channels) to (height', width', channels'); weight as `vrrae_lab.convolution` keeps it. */
  | { op: "conv"; weight: ArraySpec; bias: ArraySpec; stride: number; padding: number }
  /** 3×3, stride 2, padding 1, output padding 1: each side is doubled. */
  | { op: "transposed"; weight: ArraySpec; bias: ArraySpec }
  /** Numbers to (height, width, channels). */
  | { op: "reshape"; shape: [number, number, number] };

export interface ModelSpec {
  /** "VRRAE": its name to readers. */
  name: string;
  /** Its colour: "ae", "vae", "rrae" or "vrrae". */
  family: string;
  /** height, width, channels */
  shape: [number, number, number];
  /** Length of the latent vector, before an SVD cuts it. */
  latentSize: number;
  /** How many coefficients it has. */
  rank: number;
  encoder: Layer[];
  /** (latentSize, rank): coefficients = (latents − offset) · basis. */
  basis?: ArraySpec;
  /** (latentSize): what is taken off before the basis and put back after it. */
  offset?: ArraySpec;
  /** Coefficients to the posterior mean; none for f = I. */
  mean: Layer[];
  /** Coefficients to log s²; null for a deterministic model. */
  logVariance: Layer[] | null;
  decoder: Layer[];
}
