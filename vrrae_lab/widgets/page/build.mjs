// Makes the one file that the package carries, ../lab.js: the page's modules with their style and WebAssembly inlined.
// `node build.mjs --check` writes nothing and fails if the committed file is not what the sources make.
import { readFile, rename, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { forEsbuild } from "./wasm.mjs";

const BUNDLE = new URL("../lab.js", import.meta.url);
const LARGEST = 150_000;

const licence = async (name) => {
  const text = await readFile(new URL(`node_modules/${name}/LICENSE`, import.meta.url), "utf8");
  return `${name}\n${text.trim()}`;
};
const carried = ["preact", "@preact/signals", "@preact/signals-core"];

const { outputFiles, metafile } = await build({
  entryPoints: [new URL("src/index.tsx", import.meta.url).pathname],
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".css": "text" },
  plugins: [forEsbuild],
  metafile: true,
  write: false,
});

const used = new Set(carried);
for (const path of Object.keys(metafile.inputs)) {
  const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) used.add(found[1]);
}
const texts = [];
for (const name of [...used].sort()) texts.push(await licence(name));
const seen = `/*! vrrae_lab, built by page/build.mjs. It carries these libraries:\n\n${texts.join("\n\n").replaceAll("*/", "* /")}\n*/\n`;
const made = seen + outputFiles[0].text;
const size = Buffer.byteLength(made);
if (size > LARGEST) throw new Error(`lab.js has ${size} bytes, at most ${LARGEST}`);

if (process.argv.includes("--check")) {
  const committed = await readFile(BUNDLE, "utf8").catch(() => "");
  if (committed !== made) {
    console.error("lab.js is not what its sources make: run `make page` and commit it");
    process.exit(1);
  }
} else {
  await writeFile(new URL("../lab.js.tmp", import.meta.url), made);
  await rename(new URL("../lab.js.tmp", import.meta.url), BUNDLE);
}
console.log(`lab.js: ${size} bytes`);
