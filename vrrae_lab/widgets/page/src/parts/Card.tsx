// The frame of every widget: what it is, on which model and data; what to try; what went wrong; what to keep.
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { Host } from "../host";
import { Button } from "./controls";
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
  /** The one that runs, and what is to be seen. */
  told?: [name: string, words: string];
  children: ComponentChildren;
}

export function Card({ host, title, about, actions, table, presets, reset, told, children }: CardProps) {
  const frame = useRef<HTMLDivElement>(null);
  const message = host.trait<string>("message").value;
  const source = host.get<string>("_source");
  const save = (is: string, words: string, go: () => void) => (
    <Button {...{ is, class: "save", title: words, "aria-label": words, onClick: go }} />
  );
  return (
    <div class="card" ref={frame} role="group" aria-label={title}>
      <div class="head">
        <b>{title}</b>
        <span class="muted">{about}</span>
        <div class="actions">
          {actions}
          {table && save("CSV", "Save the numbers as a table (CSV)", () => saveTable(table(), title, source))}
          {save("⤓", "Save this card as a PNG", () => savePicture(frame.current!, title, source))}
        </div>
      </div>
      {children}
      {presets && (
        <div class="foot">
          <span>Try this:</span>
          {Object.entries(presets).map(([name, go]) => (
            <Button key={name} onClick={go} aria-pressed={told && name === told[0]} is={name} />
          ))}
          {reset && <Button class="end" onClick={reset} is="reset" />}
          {told && <p>{told[1]}</p>}
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
