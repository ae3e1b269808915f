// The library's own models: tests/test_widgets_weights.py writes them, and what they compute, into a folder.
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Model } from ".";
import { kernels } from "./kernels";

const folder = process.env.VRRAE_LAB_MODELS;

describe.skipIf(!folder).each(folder ? readdirSync(folder) : ["none"])("%s", (file) => {
  test.each([...kernels(), null])("kernel %#", (kernel) => {
    const { spec, weights, samples } = JSON.parse(readFileSync(`${folder}/${file}`, "utf8"));
    const bytes = Uint8Array.from(Buffer.from(weights, "base64"));
    const model = new Model(spec, new DataView(bytes.buffer), kernel);
    for (const { x, mean, deviation, decoded } of samples) {
      const posterior = model.encode(x);
      expect(distance(posterior.mean, mean)).toBeLessThan(1e-5);
      expect(posterior.deviation === null).toBe(deviation === null);
      if (deviation) expect(distance(posterior.deviation, deviation)).toBeLessThan(1e-5);
      expect(distance(model.decode(mean), decoded)).toBeLessThan(1e-5);
    }
  });
});

/** The largest difference, in units of the range of what is expected. */
function distance(found, expected) {
  expect(found.length).toBe(expected.length);
  const range = Math.max(...expected) - Math.min(...expected) || Math.abs(expected[0]);
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]))) / range;
}
