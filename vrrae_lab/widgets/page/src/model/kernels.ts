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

/** `convolve` of kernel.as.ts without SIMD, over the same memory: two pixels at a time, four outputs of each. */
export function plain(memory: Float32Array): Convolve {
  return (x, down, right, line, taps, run, weights, blocks, y, yDown, yRight, rows, columns, floor) => {
    const other = columns > 1 ? right >> 2 : 0; // lengths are in bytes, places count floats
    const yOther = columns > 1 ? yRight >> 2 : 0;
    const lastColumn = Math.max(columns, 2) - 2;
    const size = 8 + 2 * taps * run;
    for (let four = 0; four < 2 * blocks; four++) {
      const first = (weights >> 2) + size * (four >> 1) + 4 * (four & 1);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column += 2) {
          const j = Math.min(column, lastColumn);
          let w = first;
          let a0 = memory[w];
          let a1 = memory[w + 1];
          let a2 = memory[w + 2];
          let a3 = memory[w + 3];
          let b0 = a0;
          let b1 = a1;
          let b2 = a2;
          let b3 = a3;
          w += 8;
          for (let tap = 0; tap < taps; tap++) {
            const from = (x + row * down + j * right + tap * line) >> 2;
            for (let i = from; i < from + (run >> 2); i++, w += 8) {
              const a = memory[i];
              const b = memory[i + other];
              const w0 = memory[w];
              const w1 = memory[w + 1];
              const w2 = memory[w + 2];
              const w3 = memory[w + 3];
              a0 += a * w0;
              a1 += a * w1;
              a2 += a * w2;
              a3 += a * w3;
              b0 += b * w0;
              b1 += b * w1;
              b2 += b * w2;
              b3 += b * w3;
            }
          }
          const to = ((y + row * yDown + j * yRight) >> 2) + 4 * four;
          memory[to] = Math.max(a0, floor);
          memory[to + 1] = Math.max(a1, floor);
          memory[to + 2] = Math.max(a2, floor);
          memory[to + 3] = Math.max(a3, floor);
          memory[to + yOther] = Math.max(b0, floor);
          memory[to + yOther + 1] = Math.max(b1, floor);
          memory[to + yOther + 2] = Math.max(b2, floor);
          memory[to + yOther + 3] = Math.max(b3, floor);
        }
      }
    }
  };
}
