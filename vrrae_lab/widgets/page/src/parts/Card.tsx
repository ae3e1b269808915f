// The frame of every widget: what it is, on which model and data; what to try; what went wrong; what to keep.
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { Host } from "../host";
import { savePicture, saveTable, type Row } from "./save";

interface CardProps {
  host: Host;
  title: string;
  /** On which model and data. */
  about?: string;
  /** Buttons at the right of the title. */
  actions?: ComponentChildren;
  /** What is saved as CSV. */
  table?: () => Row[];
  /** States worth seeing, a button each, and the way back to the first one. */
  presets?: Record<string, () => void>;
  reset?: () => void;
  children: ComponentChildren;
}

export function Card({ host, title, about, actions, table, presets, reset, children }: CardProps) {
  const frame = useRef<HTMLDivElement>(null);
  const message = host.trait<string>("message").value;
  const source = host.get<string>("_source");
  const saving = (words: string) => ({ class: "save", title: words, "aria-label": words });
  return (
    <div class="card" ref={frame} role="group" aria-label={title}>
      <div class="head">
        <b>{title}</b>
        <span class="muted">{about}</span>
        <div class="actions">
          {actions}
          {table && (
            <button {...saving("Save the numbers as a table (CSV)")} onClick={() => saveTable(table(), title, source)}>
              CSV
            </button>
          )}
          <button {...saving("Save this card as a PNG")} onClick={() => savePicture(frame.current!, title, source)}>
            ⤓
          </button>
        </div>
      </div>
      {children}
      {presets && (
        <div class="foot">
          <span>Try this:</span>
          {Object.entries(presets).map(([name, go]) => (
            <button key={name} onClick={go}>
              {name}
            </button>
          ))}
          {reset && (
            <button class="end" onClick={reset}>
              reset
            </button>
          )}
        </div>
      )}
      {message && <Message>{message}</Message>}
    </div>
  );
}

const Message = ({ children }: { children: ComponentChildren }) => (
  <div class="message" role="alert">
    {children}
  </div>
);

/** One line in place of a widget that cannot be shown. */
export const Failure = ({ children }: { children: ComponentChildren }) => (
  <div class="card">
    <Message>{children}</Message>
  </div>
);

interface ColumnsProps {
  /** Their shares of the width: "3 2". */
  widths: string;
  children: ComponentChildren;
}

/** Parts of a card beside each other; below each other where there is no room. */
export const Columns = ({ widths, children }: ColumnsProps) => (
  <div class="columns" style={{ gridTemplateColumns: widths.replace(/\S+/g, "minmax(0, $&fr)") }}>
    {children}
  </div>
);

interface PartProps {
  title: ComponentChildren;
  hint?: ComponentChildren;
  children: ComponentChildren;
}

/** One part of a card under its heading. */
export const Part = ({ title, hint, children }: PartProps) => (
  <div>
    <h4>
      {title} <span>{hint}</span>
    </h4>
    {children}
  </div>
);

/** A number that is read from afar. */
export const Large = ({ is, tone = "ink" }: { is: ComponentChildren; tone?: string }) => (
  <span class="large" style={{ color: `var(--${tone})` }}>
    {is}
  </span>
);
