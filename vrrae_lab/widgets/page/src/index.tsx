// The entry: what anywidget calls in a notebook, and what an exported page calls.
import { render } from "preact";
import { Host, type WidgetModel } from "./host";
import style from "./style.css";
import { Failure } from "./parts/Card";
import { theme } from "./theme";
import * as widgets from "./widgets";

/** Draw the widget that `host` names into `el`; returns what takes it away. */
function draw(host: Host, el: HTMLElement): () => void {
  const root = document.createElement("div");
  root.className = "vrrae-lab";
  el.append(root);
  const Widget = widgets[host.get<keyof typeof widgets>("_widget")];
  const content = Widget ? <Widget host={host} /> : <Failure>This page does not know the widget.</Failure>;
  render(
    <>
      <style>{style}</style>
      {content}
    </>,
    root,
  );
  // a notebook may put it into its page later: only then are there colours to paint with
  const placed = new ResizeObserver(() => {
    placed.disconnect();
    theme.value++;
  });
  if (!root.isConnected) placed.observe(root);
  return () => {
    placed.disconnect();
    render(null, root);
    root.remove();
    host.close();
  };
}

// Without a kernel, in an exported page: each element holds the state of a widget that is drawn in its place. Bytes are
// in base64.
document.querySelectorAll<HTMLElement>("script.vrrae-lab-state").forEach((script) => {
  const state = JSON.parse(script.textContent!, (_, value) =>
    typeof value?.base64 === "string"
      ? new DataView(Uint8Array.from(atob(value.base64), (c) => c.charCodeAt(0)).buffer)
      : value,
  );
  draw(new Host(null, state), script.parentElement!);
  script.remove();
});

export { Model } from "./model";

export default {
  render: ({ model, el }: { model: WidgetModel; el: HTMLElement }) => draw(new Host(model), el),
};
