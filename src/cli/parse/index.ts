export { NotInTable } from "./errors.ts";
export { type Parsed, parse } from "./parse.ts";
