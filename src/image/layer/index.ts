/** Layers of an image: decompressing, checking, and taking apart into data and entries. */
export { DamagedEntries } from "./decode.ts";
export { type Compression, decompress, detectCompression } from "./decompress.ts";
export { Digester } from "./digest.ts";
export type { LayerEntry } from "./entry.ts";
export { readEntries } from "./frames.ts";
export { encodeHeader } from "./header.ts";
export {
  type LayerExpectations,
  type LayerResult,
  type ReadOptions,
  readLayer,
  wrongSize,
} from "./reader.ts";
export {
  checkTotals,
  LayerRecorder,
  type Recorded,
  type RecordedEntry,
  type RecorderFiles,
  storable,
  type Totals,
} from "./recorder.ts";
