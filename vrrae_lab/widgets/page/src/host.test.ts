import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Host, type WidgetModel } from "./host";

/** A kernel's side of the traits, and what reached it. */
function kernel(traits: Record<string, unknown>) {
  const listeners = new Map<string, () => void>();
  const saved: Record<string, unknown>[] = [];
  const model: WidgetModel = {
    get: (name) => traits[name],
    set: (name, value) => void (traits[name] = value),
    save_changes: () => void saved.push({ ...traits }),
    on: (event, callback) => void listeners.set(event, callback),
    off: (event) => void listeners.delete(event),
    send: () => {},
  };
  const arrive = (name: string, value: unknown) => {
    traits[name] = value;
    listeners.get(`change:${name}`)?.();
  };
  return { model, saved, arrive, listeners };
}

let frames: (() => void)[] = [];
const nextFrame = () => frames.splice(0).forEach((each) => each());

beforeEach(() => {
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (each: () => void) => frames.push(each));
  vi.stubGlobal("cancelAnimationFrame", () => {});
});
afterEach(() => vi.unstubAllGlobals());

test("what is set in Python shows in the page, and is not sent back", () => {
  const { model, saved, arrive } = kernel({ beta: 1 });
  const beta = new Host(model).trait<number>("beta");
  arrive("beta", 2);
  nextFrame();
  expect(beta.value).toBe(2);
  expect(saved).toEqual([]);
});

test("what is moved in the page reaches Python once a frame, the last value of each trait", () => {
  const { model, saved } = kernel({ beta: 1, rank: 3 });
  const host = new Host(model);
  host.trait<number>("beta").value = 2;
  host.trait<number>("beta").value = 3;
  host.trait<number>("rank").value = 4;
  nextFrame();
  expect(saved).toEqual([{ beta: 3, rank: 4 }]);
});

test("an echo does not overwrite what is under the finger", () => {
  const { model, saved, arrive } = kernel({ beta: 1 });
  const beta = new Host(model).trait<number>("beta");
  beta.value = 5;
  arrive("beta", 4);
  expect(beta.value).toBe(5);
  nextFrame();
  expect(saved.at(-1)).toEqual({ beta: 5 });
});

test("the page goes on when the kernel has died", () => {
  const { model } = kernel({ beta: 1 });
  model.save_changes = () => {
    throw new Error("the comm is closed");
  };
  const beta = new Host(model).trait<number>("beta");
  beta.value = 2;
  nextFrame();
  beta.value = 3;
  nextFrame();
  expect(beta.value).toBe(3);
});

test("a closed host listens no more and has sent what was left", () => {
  const { model, saved, listeners } = kernel({ beta: 1 });
  const host = new Host(model);
  host.trait<number>("beta").value = 2;
  host.close();
  expect(saved).toEqual([{ beta: 2 }]);
  expect(listeners.size).toBe(0);
});

test("without a kernel, traits are those of the exported page", () => {
  const host = new Host(null, { beta: 1, _z: new DataView(new Float32Array([1, 2]).buffer) });
  host.trait<number>("beta").value = 2;
  expect(host.trait<number>("beta").value).toBe(2);
  expect(host.array("_z", Float32Array)).toEqual(new Float32Array([1, 2]));
  expect(host.live).toBe(false);
});
