// Makes the one file that the package carries, ../lab.js: the page's modules with their style and WebAssembly inlined.
// `node build.mjs --check` writes nothing and fails if the committed file is not what the sources make.
import { readFile, rename, writeFile } from "node:fs/promises";
import { build, transform } from "esbuild";
import { forEsbuild } from "./wasm.mjs";

const BUNDLE = new URL("../lab.js", import.meta.url);
const LARGEST = 150_000;

const licence = async (name) =>
  (await readFile(new URL(`node_modules/${name}/LICENSE`, import.meta.url), "utf8")).trim();

/** The style sheet is text to the page. */
const style = {
  name: "style",
  setup: (build) =>
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, charset: "utf8" });
      return { contents: code, loader: "text" };
    }),
};

const { outputFiles, metafile } = await build({
  entryPoints: [new URL("src/index.tsx", import.meta.url).pathname],
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "utf8",
  legalComments: "none",
  tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } }, // the JSX there is for the types alone
  jsx: "transform",
  jsxFactory: "createElement",
  jsxFragment: "Fragment",
  inject: [new URL("src/jsx.ts", import.meta.url).pathname],
  plugins: [forEsbuild, style],
  metafile: true,
  write: false,
});

const used = new Set();
for (const path of Object.keys(metafile.inputs)) {
  const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
  if (found) used.add(found[1]);
}
const holders = new Map(); // by the words of a licence, which several may share
for (const name of [...used].sort()) {
  const text = await licence(name);
  const [held] = /^Copyright.*$/m.exec(text);
  const words = text.replace(held, "").replace(/\n{3,}/g, "\n\n");
  holders.set(words, [...(holders.get(words) ?? []), `${name}: ${held}`]);
}
const texts = [...holders].map(([words, these]) => `${these.join("\n")}\n\n${words}`);
const seen = `/*! vrrae_lab, built by page/build.mjs. It carries these libraries:\n\n${texts.join("\n\n").replaceAll("*/", "* /")}\n*/\n`;
const made = seen + outputFiles[0].text;
const size = Buffer.byteLength(made);
const checking = process.argv.includes("--check");
if (size > LARGEST) throw new Error(`lab.js has ${size} bytes: too many, at most ${LARGEST}`);
if (checking) {
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
