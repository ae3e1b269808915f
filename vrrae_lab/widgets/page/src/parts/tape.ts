// Every frame of a race that the page has, one buffer each: what Python sent, or what an exported page carries.
import { signal } from "@preact/signals";
import type { Host } from "../host";
import { floats } from "../model/spec";

/** Place in the bytes of a frame, type, and how many numbers of each model. */
export type Field = [number, "f4" | "f2" | "u1", number];

/** What Python says of a race; `vrrae_lab.widgets.race.described`. */
export interface RaceInfo {
  data: string;
  names: string[];
  /** Their colours: "vae". */
  families: string[];
  has_svd: boolean[];
  rank: number;
  watched: number;
  shown: number;
  shape: [number, number, number];
  /** Whether the labels are classes. */
  classes: boolean;
  presets: string[];
  /** What to look for in a recording. */
  words?: string;
  fields: Record<string, Field>;
  bytes: number;
}

export class Tape {
  /** Counts arrivals: read it to be drawn again. */
  readonly arrived = signal(0);
  private frames: DataView[] = [];
  private generation = -1;

  constructor(
    private readonly host: Host,
    private readonly info: () => RaceInfo,
  ) {
    const all = host.get<DataView | null>("_frames");
    if (all?.byteLength) this.append(all);
    host.onMessage((content, [buffer]) => this.receive(content, buffer));
    if (host.live) this.ask();
  }

  get length(): number {
    return this.frames.length;
  }

  /** The numbers of a field in one frame; of one of both models where it has numbers of each. */
  read(frame: number, name: string, model = 0): Float32Array {
    const [offset, type, count] = this.info().fields[name];
    const size = { f4: 4, f2: 2, u1: 1 }[type];
    const { buffer, byteOffset } = this.frames[frame];
    const start = byteOffset + offset + model * count * size;
    const bytes = buffer.slice(start, start + count * size);
    if (type === "f2") return floats(new Uint16Array(bytes));
    return type === "f4" ? new Float32Array(bytes) : Float32Array.from(new Uint8Array(bytes));
  }

  /** One number of every frame. */
  column(name: string, model = 0, place = 0): number[] {
    const [offset, , count] = this.info().fields[name];
    return this.frames.map((view) => view.getFloat32(offset + 4 * (model * count + place), true));
  }

  private ask() {
    this.host.send({ do: "frames", generation: this.generation, have: this.length });
  }

  private receive(content: { generation: number; first?: number; thinned?: number }, buffer?: DataView) {
    const { generation, first, thinned } = content;
    if (thinned) {
      if (this.length !== thinned) return this.ask();
      this.frames = this.frames.filter((_, i) => i % 2 === 0);
      this.generation = generation;
    } else if (
      first === 0 &&
      (generation !== this.generation || buffer!.byteLength > this.length * this.info().bytes)
    ) {
      this.generation = generation;
      this.frames = [];
      this.append(buffer!);
    } else if (generation !== this.generation || first! > this.length) return this.ask();
    else if (first === this.length) this.append(buffer!);
    this.arrived.value++;
  }

  private append(all: DataView) {
    const { bytes } = this.info();
    const copy = all.buffer.slice(all.byteOffset, all.byteOffset + all.byteLength);
    for (let start = 0; start + bytes <= copy.byteLength; start += bytes)
      this.frames.push(new DataView(copy, start, bytes));
  }
}

/** Something that happened between two frames. */
export interface Mark {
  frame: number;
  words: string;
  /** Of a lamp: whose, which from 0, and whether it went out. */
  lamp?: { model: number; number: number; out: boolean };
}

const SETTLED = 4; // frames that a lamp stays as it is before it counts
const SETTINGS = ["β", "learning rate", "rank", "noise"];

/** What happened on a tape: presets, settings that were changed, lamps that went out or came on. */
export function marks(tape: Tape, info: RaceInfo, short: (value: number) => string): Mark[] {
  const found: Mark[] = [];
  for (let frame = 0; frame < tape.length; frame++) {
    const preset = tape.read(frame, "preset")[0];
    const was = frame ? tape.read(frame - 1, "preset")[0] : 0;
    if (preset && preset !== was) found.push({ frame, words: info.presets[preset - 1] });
    else if (frame)
      for (const model of [0, 1]) {
        const [before, now] = [tape.read(frame - 1, "settings", model), tape.read(frame, "settings", model)];
        SETTINGS.forEach((name, i) => {
          const words = `${name} ${short(now[i])}`;
          if (now[i] !== before[i] && found.at(-1)?.words !== words) found.push({ frame, words });
        });
      }
  }
  for (const model of [0, 1]) {
    const lit = Array.from({ length: tape.length }, (_, frame) => tape.read(frame, "awake", model));
    for (let j = 0; j < info.rank; j++) {
      let state = lit[0]?.[j];
      for (let frame = 1; frame + SETTLED <= lit.length; frame++) {
        const next = lit[frame][j];
        if (next === state || lit.slice(frame, frame + SETTLED).some((lamps) => lamps[j] !== next)) continue;
        state = next;
        const words = `${info.names[model]}: lamp ${j + 1} ${state ? "comes on" : "goes out"}`;
        found.push({ frame, words, lamp: { model, number: j, out: !state } });
      }
    }
  }
  return found.sort((a, b) => a.frame - b.frame);
}
