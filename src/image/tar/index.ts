/** Reading tar archives as they stream by. */
export type { SparseRun, TarEntry, TarEntryType, TarHandler } from "./entry.ts";
export { TarReader } from "./reader.ts";
