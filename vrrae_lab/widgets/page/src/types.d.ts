declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*?wasm" {
  /** WebAssembly in base64. */
  const base64: string;
  export default base64;
}
declare module "*?wasm=relaxed-simd" {
  /** WebAssembly in base64. */
  const base64: string;
  export default base64;
}
