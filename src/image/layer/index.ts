/** Layers of an image: taking archives apart into data and entries, and reading these again. */
export { DamagedEntries } from "./decode.ts";
export type { LayerEntry } from "./entry.ts";
export { readEntries } from "./frames.ts";
export { encodeHeader } from "./header.ts";
export { readLayer } from "./reader.ts";
export {
  checkTotals,
  LayerRecorder,
  type Recorded,
  type RecordedEntry,
  type RecorderFiles,
  storable,
  type Totals,
} from "./recorder.ts";
