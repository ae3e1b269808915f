// A picture file as an image like those of the data.
import type { Data } from "./lab";

const KINDS: [RegExp, string][] = [
  [/^\x89PNG/, "PNG"],
  [/^\xff\xd8\xff/, "JPEG"],
  [/^RIFF....WEBP/s, "WebP"],
];

/** Throws an Error in words; `note` says what was done to the picture. */
export async function readPicture(file: File, data: Data): Promise<{ x: Float32Array; note: string }> {
  const [height, width, channels] = data.shape;
  if (channels !== 1 && channels !== 3)
    throw new Error(`Pictures are grey or coloured; these data have ${channels} channels.`);
  const head = new Uint8Array(await file.slice(0, 40).arrayBuffer());
  const kind = KINDS.find(([start]) => start.test(String.fromCharCode(...head)))?.[1];
  if (!kind) throw new Error(`${file.name} is not a PNG, JPEG or WebP: save it as one of these and drop it again.`);
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is damaged, or too large to be opened: choose another file.`);
  });
  // the largest part of the middle that has the data's proportions
  const scale = Math.min(bitmap.width / width, bitmap.height / height);
  const [w, h] = [scale * width, scale * height];
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.fillStyle = "#fff";
  context.imageSmoothingQuality = "high";
  const place = [(bitmap.width - w) / 2, (bitmap.height - h) / 2, w, h, 0, 0, width, height] as const;
  context.drawImage(bitmap, ...place);
  const clear = context.getImageData(0, 0, width, height).data.some((v, i) => i % 4 === 3 && v < 250);
  context.globalCompositeOperation = "destination-over";
  context.fillRect(0, 0, width, height);
  const { data: bytes } = context.getImageData(0, 0, width, height);
  const unit = Float32Array.from({ length: height * width * channels }, (_, i) => {
    const at = 4 * Math.floor(i / channels);
    if (channels === 3) return bytes[at + (i % 3)] / 255;
    return (0.299 * bytes[at] + 0.587 * bytes[at + 1] + 0.114 * bytes[at + 2]) / 255;
  });
  const notes: string[] = [];
  if (bitmap.width !== width || bitmap.height !== height) {
    const cut = Math.abs(w - bitmap.width) + Math.abs(h - bitmap.height) > 1 ? "cropped to its middle and " : "";
    notes.push(`${cut}scaled from ${bitmap.width} × ${bitmap.height} to ${width} × ${height}`);
  }
  if (kind === "PNG" && head[24] === 16) notes.push("of 16 bits a channel the upper 8 were read");
  if (clear) notes.push("transparent parts count as white");
  if (data.look.picture === "ink" && rim(unit, width, height) > 0.5) {
    unit.forEach((v, i) => (unit[i] = 1 - v));
    notes.push("dark on light, so its ink was taken for the image");
  }
  const x = unit.map((v) => data.black + (data.white - data.black) * v);
  return { x, note: notes.length ? `${file.name}: ${notes.join("; ")}.` : "" };
}

/** The mean along the edge. */
function rim(pixels: Float32Array, width: number, height: number): number {
  const edge = pixels.filter((_, i) => {
    const [row, column] = [Math.floor(i / width), i % width];
    return row === 0 || column === 0 || row === height - 1 || column === width - 1;
  });
  return edge.reduce((a, b) => a + b, 0) / edge.length;
}
