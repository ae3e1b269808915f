declare module "*.css" {
  const text: string;
  export default text;
}
declare module "./kernel.as.ts?*" {
  /** WebAssembly in base64. */
  const base64: string;
  export default base64;
}
