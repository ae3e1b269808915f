// The page's side of a widget's state. In a notebook each trait is a signal bound to the kernel's; in an exported page
// it is a signal alone. What is set in Python shows here, and what is set here is what Python reads.
import { signal, type Signal } from "@preact/signals";

/** The part of anywidget's model that is used here. */
export interface WidgetModel {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: (...parts: any[]) => void): void;
  off(event: string, callback?: (...parts: any[]) => void): void;
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBuffer[]): void;
}

type Message = (content: any, buffers: DataView[]) => void;

export class Host {
  private readonly signals = new Map<string, Signal<any>>();
  private readonly first = new Map<string, unknown>();
  private readonly pending = new Map<string, unknown>();
  private readonly undo: (() => void)[] = [];
  private frame = 0;

  /** `model` is null in an exported page, where `state` holds every trait. */
  constructor(
    private readonly model: WidgetModel | null,
    private readonly state: Record<string, unknown> = {},
  ) {}

  /** Whether there is a kernel to ask. */
  get live(): boolean {
    return this.model !== null;
  }

  /** A trait as it is, for what never changes. Bytes come as a DataView. */
  get<T>(name: string): T {
    return (this.model ? this.model.get(name) : this.state[name]) as T;
  }

  /** Bytes as typed numbers; null where there are none. */
  array<T extends ArrayLike<number>>(name: string, type: new (buffer: ArrayBuffer) => T): T | null {
    const view = this.get<DataView | null>(name);
    return view?.byteLength ? numbers(view, type) : null;
  }

  /** A trait that is read and written: setting the signal's value tells Python, once a frame at most. */
  trait<T>(name: string): Signal<T> {
    const known = this.signals.get(name);
    if (known) return known;
    const made: Signal<T> = signal(this.get<T>(name));
    this.signals.set(name, made);
    this.first.set(name, made.peek());
    if (this.model) {
      const model = this.model;
      const arrived = () => {
        const value = model.get(name) as T;
        // what is under the finger is newer than what comes back
        if (!this.pending.has(name) && !same(value, made.peek())) made.value = value;
      };
      model.on(`change:${name}`, arrived);
      this.undo.push(() => model.off(`change:${name}`, arrived));
      this.undo.push(
        made.subscribe((value) => {
          if (!same(value, model.get(name))) this.push(name, value);
        }),
      );
    }
    return made;
  }

  /** These traits as they were when they were first shown. */
  reset(...names: string[]): void {
    for (const name of names) this.trait(name).value = this.first.get(name);
  }

  /** Ask the kernel for something that is no state. */
  send(content: unknown, buffers: ArrayBuffer[] = []): void {
    this.model?.send(content, undefined, buffers);
  }

  onMessage(callback: Message): void {
    if (!this.model) return;
    this.model.on("msg:custom", callback);
    this.undo.push(() => this.model?.off("msg:custom", callback));
  }

  close(): void {
    this.undo.forEach((each) => each());
    this.flush();
  }

  private push(name: string, value: unknown): void {
    this.pending.set(name, value);
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (!this.model || this.pending.size === 0) return;
    for (const [name, value] of this.pending) this.model.set(name, value);
    this.pending.clear();
    try {
      this.model.save_changes();
    } catch {
      // the kernel has died: the page goes on by itself
    }
  }
}

/** What arrived as bytes; a copy, as it may start at any byte. */
export function numbers<T extends ArrayLike<number>>(view: DataView, type: new (buffer: ArrayBuffer) => T): T {
  return new type(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength) as ArrayBuffer);
}

function same(a: unknown, b: unknown): boolean {
  return Object.is(a, b) || JSON.stringify(a) === JSON.stringify(b);
}
