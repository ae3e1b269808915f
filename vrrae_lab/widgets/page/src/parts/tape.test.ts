import { describe, expect, it } from "vitest";
import { Host, type WidgetModel } from "../host";
import { marks, Tape, type RaceInfo } from "./tape";

const FIELDS: RaceInfo["fields"] = {
  step: [0, "f4", 1],
  preset: [4, "f4", 1],
  settings: [8, "f4", 4],
  awake: [40, "u1", 1],
};
const info = {
  names: ["VAE", "VRRAE"],
  rank: 1,
  presets: ["collapse"],
  fields: FIELDS,
  bytes: 44,
} as unknown as RaceInfo;

/** A frame at a step: a value of β for both models, and whether the lamp of each is on. */
function frame(step: number, beta = 1, lamps = [1, 1], preset = 0): DataView {
  const view = new DataView(new ArrayBuffer(44));
  [step, preset, beta, 1, 8, 1, beta, 1, 8, 1].forEach((value, i) => view.setFloat32(4 * i, value, true));
  lamps.forEach((lamp, model) => view.setUint8(40 + model, lamp));
  return view;
}

function joined(frames: DataView[]): DataView {
  const all = new Uint8Array(44 * frames.length);
  frames.forEach((each, i) => all.set(new Uint8Array(each.buffer), 44 * i));
  return new DataView(all.buffer);
}

/** A tape with a kernel, what it asks for, and how the kernel answers. */
function live() {
  const asked: unknown[] = [];
  let answer = (_content: object, _buffers: DataView[]): void => {};
  const model = {
    get: () => null,
    on: (event: string, callback: typeof answer) => void (event === "msg:custom" && (answer = callback)),
    send: (content: unknown) => void asked.push(content),
  } as unknown as WidgetModel;
  const tape = new Tape(new Host(model), () => info);
  return { tape, asked, answer: (content: object, frames: DataView[] = []) => answer(content, [joined(frames)]) };
}

describe("a tape", () => {
  it("asks for what it lacks, and takes each frame once", () => {
    const { tape, asked, answer } = live();
    expect(asked).toEqual([{ do: "frames", generation: -1, have: 0 }]);
    answer({ generation: 3, first: 0 }, [frame(0), frame(5)]);
    answer({ generation: 3, first: 2 }, [frame(10)]);
    answer({ generation: 3, first: 0 }, [frame(0), frame(5)]); // for another view
    expect(tape.column("step")).toEqual([0, 5, 10]);
    answer({ generation: 3, first: 7 }, [frame(35)]); // some are missing
    expect(asked.at(-1)).toEqual({ do: "frames", generation: 3, have: 3 });
    expect(tape.length).toBe(3);
    answer({ generation: 4, first: 0 }, [frame(0)]); // it begins anew
    expect(tape.column("step")).toEqual([0]);
  });

  it("keeps every second frame when Python does, and asks where it has others", () => {
    const { tape, asked, answer } = live();
    answer(
      { generation: 1, first: 0 },
      [0, 1, 2, 3, 4].map((step) => frame(step)),
    );
    answer({ generation: 2, thinned: 5 });
    expect(tape.column("step")).toEqual([0, 2, 4]);
    answer({ generation: 3, thinned: 9 });
    expect(asked).toHaveLength(2);
  });

  it("marks presets, changes and lamps that stay out", () => {
    const { tape, answer } = live();
    const out = (step: number) => frame(step, 2, [0, 1], 1);
    const flicker = frame(3, 2, [1, 0], 1);
    const rest = [4, 5, 6, 7, 8, 9].map(out);
    answer({ generation: 1, first: 0 }, [
      frame(0, 1, [1, 1], 1),
      frame(1, 1, [1, 1], 1),
      frame(2, 2, [1, 1], 1),
      flicker,
      ...rest,
    ]);
    expect(marks(tape, info, String)).toEqual([
      { frame: 0, words: "collapse" },
      { frame: 2, words: "β 2" },
      { frame: 4, words: "VAE: lamp 1 goes out", lamp: { model: 0, number: 0, out: true } },
    ]);
  });
});
