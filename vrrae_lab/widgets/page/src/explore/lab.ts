// The state of the lab: what is seen depends on these signals and on nothing else.
import { batch, computed, effect, signal, untracked } from "@preact/signals";
import { numbers, type Host } from "../host";
import { kl, type ModelSpec, type Posterior } from "../model";
import type { Look } from "../parts/Image";
import type { Pair } from "../parts/scale";
import { normal, normals, uniform } from "../parts/random";
import { still } from "../theme";
import { inKernel, inPage } from "./runner";

/** A model as Python sends it; lists are in the model's own order. */
interface Sent {
  name: string;
  family: string;
  rank: number;
  /** Length of the latent vector that an SVD cuts. */
  latentSize: number;
  svd: boolean;
  spec: ModelSpec | null;
  weights: DataView;
  means: DataView;
  deviations: DataView | null;
  middle: number[];
  spread: number[];
  /** Coefficients by falling spread. */
  order: number[];
  /** Mean over the data, in nats; null for a deterministic model. */
  kl: number[] | null;
}

export interface Data {
  name: string;
  /** How many images were given; fewer may be here. */
  total: number;
  shape: [number, number, number];
  images: DataView;
  labels: DataView | null;
  classes: string[];
  look: Look;
  black: number;
  white: number;
}

export type Mode = "posterior" | "prior" | "mixture" | "kernel density";

const AWAKE = 0.01; // variance of the means, Burda et al. 2015
const EASE = 150; // milliseconds
const SWING = 4; // seconds
const MOST_UNDONE = 100;
const NUM_SAMPLES = 120;
const STOPS = 9;

/** One model of the lab, and where it is. */
export class Part {
  readonly name = this.sent.name;
  readonly family = this.sent.family;
  readonly size = this.sent.rank;
  readonly runner = this.sent.spec ? inPage(this.sent.spec, this.sent.weights) : inKernel(this.lab.host, this.number);
  readonly means = numbers(this.sent.means, Float32Array);
  readonly deviations = this.sent.deviations && numbers(this.sent.deviations, Float32Array);
  /** All coefficients, as Python reads them, and on their way there. */
  readonly z = this.lab.host.trait<number[]>(this.number ? "other_z" : "z");
  readonly shown = signal(this.z.peek());
  /** How many are decoded. */
  readonly rank = this.lab.host.trait<number>(this.number ? "other_rank" : "rank");
  readonly pixels = signal<Float32Array | null>(null);
  /** Of what was drawn or dropped. */
  readonly encoded = signal<Posterior | null>(null);
  readonly posterior = computed((): Posterior | null => {
    const i = this.lab.image.value;
    if (i < 0) return this.encoded.value;
    return { mean: this.row(this.means, i), deviation: this.deviations && this.row(this.deviations, i) };
  });
  /** Of this image, in nats. */
  readonly nats = computed(() => {
    const { mean, deviation } = this.posterior.value ?? {};
    return mean && deviation ? kl(mean, deviation).reduce((a, b) => a + b, 0) : null;
  });
  readonly error = computed(() => relativeError(this.lab.original.value, this.pixels.value));

  constructor(
    private readonly lab: Lab,
    readonly number: number,
    readonly sent: Sent,
  ) {}

  private row(all: Float32Array, i: number): Float32Array {
    return all.subarray(i * this.size, (i + 1) * this.size);
  }

  awake(j: number): boolean {
    return this.sent.spread[j] ** 2 > AWAKE;
  }

  /** The coefficients that reach the decoder: those cut off are at their mean. */
  kept(z: ArrayLike<number>, rank = this.rank.value): Float32Array {
    const kept = Float32Array.from(z);
    for (const j of this.sent.order.slice(rank)) kept[j] = this.sent.middle[j];
    return kept;
  }

  /** Two coefficients of every image. */
  points(across: number, up: number): Float32Array {
    const of = (_: unknown, i: number) => this.means[Math.floor(i / 2) * this.size + (i % 2 ? up : across)];
    return Float32Array.from({ length: (2 * this.means.length) / this.size }, of);
  }

  mean(i: number): number[] {
    return [...this.row(this.means, i)];
  }

  /** `count` draws of where `mode` has coefficients, the same for the same `seed`. */
  samples(mode: Mode, seed: number, count: number): number[][] {
    const random = uniform(seed + 1);
    const fitted = this.lab.fitted.value[this.number];
    const prior = () => Array.from({ length: this.size }, () => normal(random));
    if (mode === "prior") return Array.from({ length: count }, prior);
    if (!fitted || mode === "posterior") return [];
    if (mode === "mixture") {
      const all = numbers(fitted.mixture, Float32Array);
      const rows = all.length / this.size;
      return Array.from({ length: count }, (_, i) => [...this.row(all, (seed * count + i) % rows)]);
    }
    const points = this.means.length / this.size;
    return Array.from({ length: count }, () =>
      this.mean(Math.floor(random() * points)).map((m) => m + fitted.bandwidth * normal(random)),
    );
  }
}

/** What was painted on the map, and the coefficients along it. */
interface Path {
  points: Pair[];
  rows: number[][];
}

type Snapshot = ReturnType<Lab["now"]>;

export class Lab {
  readonly data = this.host.get<Data>("_data");
  private readonly sent = this.host.get<Sent[]>("_parts");
  readonly count = this.sent[0].means.byteLength / 4 / this.sent[0].rank;
  readonly labels = this.data.labels && numbers(this.data.labels, Int32Array);
  readonly image = this.host.trait<number>("image");
  readonly mode = this.host.trait<Mode>("mode");
  readonly message = this.host.trait<string>("message");
  /** What was done to a picture that was dropped. */
  readonly note = signal("");
  /** Of each model, once Python has fitted them. */
  readonly fitted = this.host.trait<{ mixture: DataView; bandwidth: number }[]>("_samples");
  /** The number of the model in hand. */
  readonly hand = signal(0);
  readonly drawn = signal<Float32Array | null>(null);
  /** Changes when the pad is to be emptied. */
  readonly sheet = signal(0);
  readonly original = computed(() => (this.image.value < 0 ? this.drawn.value : this.thumbnail(this.image.value)));
  /** What is being moved: a box of the strip. */
  readonly lit = signal<"x" | "svd" | "z" | "noise" | "">("");
  /** Whether it is one coefficient. */
  readonly single = signal(false);
  /** The coefficient that was moved last. */
  readonly active = signal(this.sent[0].order[0]);
  readonly noise = signal(0);
  readonly seed = signal(0);
  readonly playing = signal(false);
  readonly past = signal<Snapshot[]>([]);
  readonly parts = this.sent.map((each, i) => new Part(this, i, each));
  /** Ends of a walk, images by number; or a path that was painted, in the coefficients of its axes. */
  readonly ends = signal<Pair>([0, Math.max(0, this.labels?.findIndex((l, _, all) => l !== all[0]) ?? this.count - 1)]);
  readonly path = signal<Path | null>(null);
  /** Of each model; none while an image is what is shown. */
  readonly samples = computed(() => {
    const [mode, seed] = [this.mode.value, this.seed.value];
    return mode === "posterior" ? [] : this.parts.map((part) => part.samples(mode, seed, NUM_SAMPLES));
  });
  private readonly images = this.unpacked();
  private readonly start = this.now();
  private readonly undoes: (() => void)[] = [];
  private step = "";
  private awaited = false;
  /** Who sets a state now: the finger, a button, or else Python. */
  private who: "finger" | "button" | "" = "";

  constructor(readonly host: Host) {
    for (const part of this.parts) {
      this.undoes.push(effect(() => this.go(part, part.z.value)));
      this.undoes.push(
        effect(() => {
          const kept = part.kept(part.shown.value);
          untracked(() => part.runner.decode(kept, (pixels) => (part.pixels.value = pixels)));
        }),
      );
    }
    this.undoes.push(effect(() => this.swing(this.playing.value)));
    this.undoes.push(
      effect(() => {
        const samples = this.samples.value;
        if (!this.awaited || !samples[0]?.length) return;
        this.awaited = false;
        untracked(() => this.set(samples.map((rows) => rows[0])));
      }),
    );
  }

  /** The model whose coefficients and map are shown. */
  get inHand(): Part {
    return this.parts[this.hand.value];
  }

  close(): void {
    this.playing.value = false;
    this.undoes.forEach((undo) => undo());
  }

  /** One byte a number, or two. */
  private unpacked(): Uint8Array | Uint16Array {
    const { images, shape } = this.data;
    const small = images.byteLength === this.count * shape[0] * shape[1] * shape[2];
    return small ? numbers(images, Uint8Array) : numbers(images, Uint16Array);
  }

  /** An image of the data. */
  thumbnail(i: number): Float32Array {
    const [low, high] = this.data.look.limits;
    const size = this.images.length / this.count;
    const most = this.images instanceof Uint16Array ? 65_535 : 255;
    return Float32Array.from(this.images.subarray(i * size, (i + 1) * size), (v) => low + ((high - low) * v) / most);
  }

  /** What an image is called. */
  title(i: number): string {
    return this.labels ? `image ${i}, a ${this.data.classes[this.labels[i]]}` : `image ${i}`;
  }

  /** Move some coefficients, by number, of the model in hand; all moves of one `step` in a row are undone together. */
  move(changes: Pair[], step: string): void {
    const part = this.parts[this.hand.peek()];
    this.by("finger", step, "z", () => {
      const z = part.z.peek().slice();
      for (const [j, value] of changes) z[j] = value;
      part.z.value = z;
      this.active.value = changes[0][0];
      this.single.value = changes.length === 1;
    });
  }

  setRank(rank: number): void {
    this.by("finger", "rank", "svd", () => (this.parts[this.hand.peek()].rank.value = rank));
  }

  pick(i: number): void {
    this.by("button", "", "x", () => {
      [this.image.value, this.noise.value, this.mode.value] = [i, 0, "posterior"];
      this.sheet.value++;
      for (const part of this.parts) part.z.value = part.mean(i);
    });
  }

  /** An image that was drawn or dropped: encode it. */
  take(x: Float32Array, step = `take ${this.past.peek().length}`): void {
    this.by("finger", step, "x", () => {
      [this.image.value, this.drawn.value, this.noise.value, this.mode.value] = [-1, x, 0, "posterior"];
    });
    for (const part of this.parts)
      part.runner.encode(x, (posterior) => {
        if (!posterior.mean.every(Number.isFinite))
          return this.say("The model's coefficients of this image are not finite: choose another image.");
        this.by("finger", step, "x", () => {
          part.encoded.value = posterior;
          part.z.value = [...posterior.mean];
        });
      });
  }

  /** So much of the posterior's standard deviation, times a draw, is added. */
  setNoise(much: number, seed = this.seed.peek()): void {
    this.by("finger", "noise", "noise", () => {
      for (const part of this.parts) {
        const s = part.posterior.peek()?.deviation;
        if (!s) continue;
        const [before, after] = [this.seed.peek(), seed].map((each) => normals(part.size, each + 1));
        part.z.value = part.z.peek().map((v, j) => v + s[j] * (much * after[j] - this.noise.peek() * before[j]));
      }
      [this.noise.value, this.seed.value] = [much, seed];
    });
  }

  /** Draw samples, and show the first; of a density that is to be fitted first, when it has been. */
  draw(mode: Mode): void {
    this.awaited = true;
    batch(() => ([this.mode.value, this.seed.value] = [mode, this.seed.peek() + 1]));
  }

  /** Between the ends of the walk, `t` of the way. */
  between(part: Part, t: number): number[] {
    const [a, b] = this.ends.value.map((i) => part.mean(i));
    return a.map((v, j) => v + t * (b[j] - v));
  }

  /** Coefficients at the stops of the walk, or along the path. */
  stops(part: Part): number[][] {
    return this.path.value?.rows ?? Array.from({ length: STOPS }, (_, n) => this.between(part, n / (STOPS - 1)));
  }

  /** Go `t` of the way. */
  walk(t: number): void {
    const path = this.path.peek();
    const between = () => this.parts.map((part) => this.between(part, t));
    if (!path) return this.set(between(), "walk", "finger");
    const last = path.rows.length - 1;
    const i = Math.min(last - 1, Math.floor(t * last));
    const next = path.rows[i + 1];
    const changes = path.rows[i].map((v, j): Pair => [j, v + (t * last - i) * (next[j] - v)]);
    this.move(changes, "walk");
  }

  /** Follow a path over the map of two coefficients, the others as they are now. */
  paint(points: Pair[], [across, up]: Pair): void {
    const z = this.parts[this.hand.peek()].z.peek();
    const rows = along(points, STOPS).map(([a, b]) => z.map((v, j) => (j === across ? a : j === up ? b : v)));
    this.path.value = { points, rows };
  }

  /** Coefficients of all models, as of samples or on a walk. */
  set(all: number[][], step = "", who: "finger" | "button" = "button"): void {
    this.by(who, step, "z", () => {
      [this.image.value, this.drawn.value, this.noise.value] = [-1, null, 0];
      this.parts.forEach((part, i) => {
        part.encoded.value = null;
        part.z.value = all[i];
      });
    });
  }

  undo(): void {
    const last = this.past.peek().at(-1);
    if (!last) return;
    this.past.value = this.past.peek().slice(0, -1);
    this.step = "";
    this.say("");
    this.restore(last);
  }

  reset(): void {
    this.playing.value = false;
    this.remember("");
    this.restore(this.start);
    batch(() => {
      this.sheet.value++;
      [this.lit.value, this.mode.value, this.path.value] = ["", "posterior", null];
    });
  }

  /** What went wrong, or else what was done. */
  say(message: string, note = ""): void {
    batch(() => ([this.message.value, this.note.value] = [message, note]));
  }

  private now() {
    return {
      image: this.image.peek(),
      drawn: this.drawn.peek(),
      encoded: this.parts.map((part) => part.encoded.peek()),
      z: this.parts.map((part) => part.z.peek()),
      rank: this.parts.map((part) => part.rank.peek()),
      noise: this.noise.peek(),
    };
  }

  private restore(to: Snapshot): void {
    this.by("button", null, "", () => {
      [this.image.value, this.drawn.value, this.noise.value] = [to.image, to.drawn, to.noise];
      this.parts.forEach((part, i) => {
        part.encoded.value = to.encoded[i];
        part.z.value = to.z[i];
        part.rank.value = to.rank[i];
      });
    });
  }

  private remember(step: string): void {
    if (step && step === this.step) return;
    this.step = step;
    this.say("");
    this.past.value = [...this.past.peek(), this.now()].slice(-MOST_UNDONE);
  }

  private by(who: "finger" | "button", step: string | null, lit: "x" | "svd" | "z" | "noise" | "", act: () => void) {
    if (step !== null) this.remember(step);
    if (!step?.startsWith("play")) this.playing.value = false;
    this.who = who;
    batch(() => {
      [this.lit.value, this.single.value] = [lit, false];
      act();
    });
    this.who = "";
  }

  /** Show coefficients: at once under the finger, else on a short way. */
  private go(part: Part, to: number[]): void {
    untracked(() => {
      const from = part.shown.peek();
      if (!this.who) this.noise.value = 0;
      if (this.who === "finger" || !part.runner.here || still() || !from.length) return (part.shown.value = to);
      const start = performance.now();
      const ease = () => {
        if (part.z.peek() !== to) return;
        const t = Math.min(1, (performance.now() - start) / EASE);
        const much = t * t * (3 - 2 * t);
        part.shown.value = t < 1 ? to.map((v, j) => from[j] + much * (v - from[j])) : to;
        if (t < 1) requestAnimationFrame(ease);
      };
      ease();
    });
  }

  /** To and fro, two spreads to each side, from where it is. */
  private swing(on: boolean): void {
    if (!on) return;
    const part = this.parts[this.hand.peek()];
    const j = this.active.peek();
    const reach = 2 * Math.max(part.sent.spread[j], 1e-6);
    const from = Math.asin(Math.max(-1, Math.min(1, (part.z.peek()[j] - part.sent.middle[j]) / reach)));
    const start = performance.now();
    const frame = () => {
      if (!this.playing.peek()) return;
      const t = (performance.now() - start) / 1000 / SWING;
      this.move([[j, part.sent.middle[j] + reach * Math.sin(from + 2 * Math.PI * t)]], `play ${j}`);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }
}

/** ‖x − x̂‖ / ‖x‖ in per cent; null where there is no original, or nothing in it. */
export function relativeError(x: ArrayLike<number> | null, decoded: ArrayLike<number> | null): number | null {
  if (!x || !decoded) return null;
  let [wrong, all] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    wrong += (x[i] - decoded[i]) ** 2;
    all += x[i] ** 2;
  }
  return all ? 100 * Math.sqrt(wrong / all) : null;
}

/** `count` points at equal distances along a painted path, ends included. */
export function along(path: Pair[], count: number): Pair[] {
  const far = [0];
  for (let i = 1; i < path.length; i++)
    far.push(far[i - 1] + Math.hypot(path[i][0] - path[i - 1][0], path[i][1] - path[i - 1][1]));
  let i = 0;
  return Array.from({ length: count }, (_, n): Pair => {
    const wanted = (far[far.length - 1] * n) / (count - 1);
    while (i < path.length - 2 && far[i + 1] < wanted) i++;
    const t = (wanted - far[i]) / (far[i + 1] - far[i] || 1);
    return [0, 1].map((c) => path[i][c] + t * (path[i + 1][c] - path[i][c])) as Pair;
  });
}
