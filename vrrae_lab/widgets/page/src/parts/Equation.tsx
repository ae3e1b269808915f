// What becomes of an image on its way through a model; the box that is being moved lights up.
export interface Stage {
  text: string;
  /** A box is a map, bare text is what goes through it. */
  box?: boolean;
  /** Dashed: something is drawn here. */
  sampled?: boolean;
  lit?: boolean;
  title?: string;
}

export function Equation({ stages, family }: { stages: Stage[]; family: string }) {
  return (
    <div class="equation" style={{ "--accent": `var(--${family})` }} aria-label="from an image to its decoding">
      {stages.map(({ text, box, sampled, lit, title }, i) => (
        <>
          {i > 0 && <span aria-hidden="true">→</span>}
          <span class={`${box || sampled ? "box" : ""}${sampled ? " sampled" : ""}${lit ? " lit" : ""}`} title={title}>
            {text}
          </span>
        </>
      ))}
    </div>
  );
}
