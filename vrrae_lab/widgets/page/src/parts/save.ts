// A card as a PNG, a table as CSV; both say where they come from.
import style from "../style.css";

const SCALE = 2;
const FOOT = 22;

/** Save what `el` shows, with `source` in a line below it. */
export async function savePicture(el: HTMLElement, name: string, source: string): Promise<void> {
  const { width, height } = el.getBoundingClientRect();
  const copy = el.cloneNode(true) as HTMLElement;
  // a copy of a canvas is empty: its pixels go in as a picture
  const drawn = [...el.querySelectorAll("canvas")];
  [...copy.querySelectorAll("canvas")].forEach((canvas, i) => {
    const image = document.createElement("img");
    image.src = drawn[i].toDataURL();
    image.className = canvas.className;
    image.setAttribute("style", `${canvas.getAttribute("style") ?? ""};display:block`);
    canvas.replaceWith(image);
  });
  // nor are the values of controls part of a copy
  const controls = [...el.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input, select")];
  copy.querySelectorAll("input, select").forEach((control, i) => {
    control.setAttribute("value", controls[i].value);
    control.querySelector(`option[value="${controls[i].value}"]`)?.setAttribute("selected", "");
  });
  copy.querySelectorAll(".save").forEach((button) => button.remove());
  const root = document.createElement("div");
  root.className = "vrrae-lab";
  const schemes = getComputedStyle(el).colorScheme; // "light dark" is whichever the browser has
  const dark = schemes.includes("light") ? schemes.includes("dark") && prefersDark() : true;
  root.setAttribute("style", `color-scheme:${dark ? "dark" : "light"};width:${width}px`);
  const sheet = document.createElement("style");
  sheet.textContent = style;
  root.append(sheet, copy);
  const page = new XMLSerializer().serializeToString(root);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><foreignObject width="100%" height="100%">${page}</foreignObject></svg>`;
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = width * SCALE;
  canvas.height = (height + FOOT) * SCALE;
  const context = canvas.getContext("2d")!;
  context.scale(SCALE, SCALE);
  context.fillStyle = getComputedStyle(el).backgroundColor;
  context.fillRect(0, 0, width, height + FOOT);
  context.drawImage(picture, 0, 0, width, height);
  context.font = "11px system-ui, sans-serif";
  context.fillStyle = "#808894";
  context.fillText(source, 8, height + 15);
  canvas.toBlob((blob) => blob && download(blob, `${name}.png`));
}

const prefersDark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export type Row = Record<string, string | number>;

/** Save rows under their headings, with `source` as a comment before them. */
export function saveTable(rows: Row[], name: string, source: string): void {
  const quote = (cell: string | number) =>
    typeof cell === "number"
      ? Number(cell.toPrecision(7)) // as many digits as a float32 has
      : /[",\n]/.test(cell)
        ? `"${cell.replaceAll('"', '""')}"`
        : cell;
  const lines = [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))];
  const text = `# ${source}\n${lines.map((line) => line.map(quote).join(",")).join("\n")}\n`;
  download(new Blob([text], { type: "text/csv" }), `${name}.csv`);
}

function download(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.toLowerCase().replace(/[^a-z0-9.]+/g, "-");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
