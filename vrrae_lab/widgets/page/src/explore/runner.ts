// Who computes a model: the page itself, or the kernel where the page cannot.
import { numbers, type Host } from "../host";
import { Model, type ModelSpec, type Posterior } from "../model";

export interface Runner {
  /** Whether decodes come by themselves, not from a kernel that is asked one by one. */
  here: boolean;
  /** Whether it goes without WebAssembly SIMD. */
  slow: boolean;
  /** Of those that ask in one `place` while an answer is on its way, only the last is answered. */
  decode(z: ArrayLike<number>, done: (pixels: Float32Array) => void, place?: string): void;
  encode(x: ArrayLike<number>, done: (posterior: Posterior) => void): void;
}

export function inPage(spec: ModelSpec, weights: DataView): Runner {
  const model = Model.load(spec, weights);
  return {
    here: true,
    slow: model.slow,
    decode: (z, done) => done(model.decode(z)),
    encode: (x, done) => done(model.encode(x)),
  };
}

/** The kernel's model `number`, behind one line for both. */
export function inKernel(host: Host, number: number): Runner {
  const asked = new Map<string, (arrays: Float32Array[]) => void>();
  const waiting = new Map<string, ArrayBuffer>();
  const ask = (name: string, values: ArrayLike<number>, done: (arrays: Float32Array[]) => void) => {
    const buffer = Float32Array.from(values).buffer;
    if (asked.has(name)) waiting.set(name, buffer);
    else send(name, buffer);
    asked.set(name, done);
  };
  const send = (name: string, buffer: ArrayBuffer) =>
    host.send({ model: number, do: name.split(" ")[0], id: `${number} ${name}` }, [buffer]);
  host.onMessage(({ id }, buffers) => {
    const name = String(id).slice(2);
    if (!String(id).startsWith(`${number} `) || !asked.has(name)) return;
    const next = waiting.get(name);
    const done = asked.get(name)!;
    if (next) {
      waiting.delete(name);
      send(name, next);
    } else asked.delete(name);
    done(buffers.map((buffer) => numbers(buffer, Float32Array)));
  });
  return {
    here: false,
    slow: false,
    decode: (z, done, place = "") => ask(`decode ${place}`, z, ([pixels]) => done(pixels)),
    encode: (x, done) => ask("encode", x, ([mean, deviation = null]) => done({ mean, deviation })),
  };
}
