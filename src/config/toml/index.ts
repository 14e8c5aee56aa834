export { TomlDocument } from "./document.ts";
export { keyPositions, pathKey } from "./positions.ts";
export { TomlTable } from "./table.ts";
