/** TOML files, read strictly: what is wrong is said with its line and column, and without showing what may be secret. */
export { TomlDocument } from "./document.ts";
export { pathKey, type TomlPath } from "./path.ts";
export { keyPositions } from "./positions.ts";
export { type TomlCodes, TomlTable } from "./table.ts";
export { isTable, nameOf, typeName } from "./words.ts";
