// The loop of kernel.as.ts, as the browser can run it.
import simd from "./kernel.as.ts?wasm";
import relaxed from "./kernel.as.ts?wasm=relaxed-simd";
import type { Convolve } from "./plan";

/** The fastest first: with products and sums in one instruction, or in two. None where WebAssembly is forbidden. */
export function kernels(): WebAssembly.Module[] {
  return [relaxed, simd].flatMap((base64) => {
    try {
      return [new WebAssembly.Module(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)))];
    } catch {
      return [];
    }
  });
}

/** `convolve` of kernel.as.ts where the browser has no WebAssembly SIMD: `memory` is the same. */
export function plain(memory: Float32Array): Convolve {
  return (x, down, right, line, taps, run, weights, blocks, y, yDown, yRight, rows, columns, floor) => {
    // lengths are in bytes: /4
    for (let block = 0, first = weights >> 2; block < blocks; block++, first += 8 + 2 * taps * run) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          let [a, b, c, d, e, f, g, h] = memory.subarray(first, first + 8);
          let w = first + 8;
          for (let tap = 0; tap < taps; tap++) {
            const from = (x + row * down + column * right + tap * line) >> 2;
            for (let i = from; i < from + (run >> 2); i++, w += 8) {
              const seen = memory[i];
              a += seen * memory[w];
              b += seen * memory[w + 1];
              c += seen * memory[w + 2];
              d += seen * memory[w + 3];
              e += seen * memory[w + 4];
              f += seen * memory[w + 5];
              g += seen * memory[w + 6];
              h += seen * memory[w + 7];
            }
          }
          const to = (y + row * yDown + column * yRight + 32 * block) >> 2;
          [a, b, c, d, e, f, g, h].forEach((sum, o) => (memory[to + o] = Math.max(sum, floor)));
        }
      }
    }
  };
}
