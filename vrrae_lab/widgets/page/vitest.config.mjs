import { setFlagsFromString } from "node:v8";
import { forVite } from "./wasm.mjs";

setFlagsFromString("--experimental-wasm-relaxed-simd"); // which browsers have, and Node 20 behind a flag

export default { plugins: [forVite], test: { pool: "threads" } };
