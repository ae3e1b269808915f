// What JSX becomes: `h(name, props, ...children)` takes less room in the bundle than the automatic runtime's calls.
export { Fragment, h } from "preact";
