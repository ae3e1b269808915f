// Light or dark, and colours as a canvas needs them.
import { signal } from "@preact/signals";

/** Counts changes of the host's theme: what is drawn on a canvas reads it, to be drawn again. */
export const theme = signal(0);

const changed = () => void theme.value++;
if (typeof document !== "undefined") {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  const attributes = { attributes: true, attributeFilter: ["data-jp-theme-light", "theme", "class"] };
  for (const node of [document.documentElement, document.body])
    if (node) new MutationObserver(changed).observe(node, attributes);
}

/** A colour of the style sheet, "ink" say, as [red, green, blue] of 0 to 255, as it is around `el`. */
export function colour(el: Element, name: string): [number, number, number] {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  el.append(probe);
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g) ?? [];
  probe.remove();
  return [Number(parts[0] ?? 0), Number(parts[1] ?? 0), Number(parts[2] ?? 0)];
}

/** Whether motion is wanted. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
