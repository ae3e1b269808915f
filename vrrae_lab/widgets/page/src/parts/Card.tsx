// The frame of every widget: what it is, on which model and data; what to try; what went wrong; a picture to keep.
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import type { Host } from "../host";
import { savePicture } from "./save";

interface CardProps {
  host: Host;
  title: string;
  /** On which model and data. */
  about?: string;
  /** Buttons at the right of the title. */
  actions?: ComponentChildren;
  children: ComponentChildren;
}

export function Card({ host, title, about, actions, children }: CardProps) {
  const frame = useRef<HTMLDivElement>(null);
  const message = host.trait<string>("message").value;
  const save = () => savePicture(frame.current!, title, host.get<string>("_source"));
  return (
    <div class="card" ref={frame} role="group" aria-label={title}>
      <div class="head">
        <b>{title}</b>
        <span class="muted">{about}</span>
        <div class="actions">
          {actions}
          <button class="save" title="Save this card as a PNG" aria-label="Save this card as a PNG" onClick={save}>
            ⤓
          </button>
        </div>
      </div>
      {children}
      {message && (
        <div class="message" role="alert">
          {message}
        </div>
      )}
    </div>
  );
}

/** One line in place of a widget that cannot be shown. */
export function Failure({ children }: { children: ComponentChildren }) {
  return (
    <div class="card">
      <div class="message" role="alert">
        {children}
      </div>
    </div>
  );
}

interface PresetsProps {
  choices: Record<string, () => void>;
  onReset?: () => void;
  children?: ComponentChildren;
}

/** States worth seeing: "try this", a button each; and back to the first one. */
export function Presets({ choices, onReset, children }: PresetsProps) {
  return (
    <div class="foot">
      <span>{children ?? "Try this:"}</span>
      {Object.entries(choices).map(([name, go]) => (
        <button key={name} onClick={go}>
          {name}
        </button>
      ))}
      {onReset && (
        <button class="last" onClick={onReset}>
          reset
        </button>
      )}
    </div>
  );
}
