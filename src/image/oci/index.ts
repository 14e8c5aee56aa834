/** The documents of container images: parsed, checked, and treated as the words of strangers. */
export { changeConfig, changeInstructions } from "./change.ts";
export { emptyConfig, type ParsedConfig, parseConfig } from "./config.ts";
export { configDocument, type ImageOrigin } from "./document.ts";
export { type ManifestLayer, parseManifest } from "./manifest.ts";
export { documentType, isIndexType } from "./media-types.ts";
export { pickByName, several } from "./pick.ts";
export { parseDocument, savedSchema } from "./schema.ts";
export { type Descriptor, selectManifest } from "./select.ts";
