/** Smolfiles: a machine described by a TOML file (docs/smolfile.md). Read only when the user names one. */
export { checkSmolfile, type SmolfileReport } from "./check.ts";
export { type LoadedSmolfile, loadPackedSmolfile, loadSmolfile } from "./load.ts";
export type { Smolfile } from "./parse.ts";
export { readSmolfile } from "./read.ts";
export { type SmolfileContent, smolfileSchema } from "./schema.ts";
export { smolfileSettings } from "./settings.ts";
