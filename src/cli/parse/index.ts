export { NotInTable } from "./errors.ts";
export { sortWords } from "./options.ts";
export { type HelpForm, type Parsed, parse } from "./parse.ts";
