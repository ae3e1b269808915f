// `import text from "./kernel.as.ts?wasm"`: AssemblyScript as WebAssembly in base64, in the bundle and in the tests.
// Features of WebAssembly beyond SIMD are named in the query: "?wasm=relaxed-simd".
import { readFile } from "node:fs/promises";
import asc from "assemblyscript/asc";

async function compile(path, query) {
  const { error, stdout, stderr, binary } = await asc.compileString(await readFile(path, "utf8"), {
    optimizeLevel: 3,
    shrinkLevel: 0,
    runtime: "stub",
    noAssert: true,
    enable: ["simd", ...query.split("=").slice(1)],
    importMemory: true,
  });
  if (error) throw new Error(`${path}: ${error.message}\n${stderr}${stdout}`);
  return Buffer.from(binary).toString("base64");
}

export const forEsbuild = {
  name: "wasm",
  setup(build) {
    build.onLoad({ filter: /\.as\.ts$/ }, async ({ path, suffix }) => ({
      contents: await compile(path, suffix),
      loader: "text",
    }));
  },
};

export const forVite = {
  name: "wasm",
  enforce: "pre",
  async load(id) {
    const [path, query] = id.split("?");
    return path.endsWith(".as.ts") ? `export default ${JSON.stringify(await compile(path, query))}` : undefined;
  },
};
