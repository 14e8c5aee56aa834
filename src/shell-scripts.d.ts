/** With `with { type: "text" }`. */
declare module "*.sh" {
  const text: string;
  export default text;
}
