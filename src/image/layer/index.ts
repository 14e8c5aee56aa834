/** Layers of an image: decompressing, checking, and applying them to the tree and the image that is written. */
export type { Totals } from "./apply.ts";
export { storable } from "./apply.ts";
export { type Compression, decompress, detectCompression } from "./decompress.ts";
export { Digester, isDigest } from "./digest.ts";
export {
  type LayerExpectations,
  type LayerResult,
  type LayerTarget,
  readLayer,
  wrongSize,
} from "./reader.ts";
