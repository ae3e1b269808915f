// What JSX becomes: `createElement(name, props, ...children)` takes less room in the bundle than the automatic runtime.
export { createElement, Fragment } from "preact";
