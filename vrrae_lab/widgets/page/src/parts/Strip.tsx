// Small images in a row, to pick from.
import { Image, type Look } from "./Image";

interface StripProps {
  images: (ArrayLike<number> | null)[];
  /** What each is called. */
  names: string[];
  shape: [number, number, number];
  look: Look;
  /** The place of the one that is shown; −1 for none. */
  chosen: number;
  columns: number;
  onPick: (place: number) => void;
}

export function Strip({ images, names, shape, look, chosen, columns, onPick }: StripProps) {
  return (
    <div class="strip" style={{ "--count": columns }}>
      {images.map((pixels, i) => (
        <button key={i} aria-pressed={i === chosen} title={names[i]} aria-label={names[i]} onClick={() => onPick(i)}>
          <Image pixels={pixels} shape={shape} look={look} label="" />
        </button>
      ))}
    </div>
  );
}
