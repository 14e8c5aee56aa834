/** EROFS filesystems (read-only filesystem of the Linux kernel), without root: writing, data first, the rest at last; reading. */
export type { Placed } from "./batch.ts";
export { type DataRun, MAX_CHUNK_BITS, MAX_CHUNKS } from "./chunks.ts";
export { type DataPlace, DataWriter } from "./data.ts";
export { BLOCK, BLOCK_BITS, EXTENDED_INODE, MAX_BLOCKS, SLOT } from "./format.ts";
export { type MetadataTarget, writeMetadata } from "./metadata.ts";
export { RunWriter } from "./output.ts";
export { Erofs, type ErofsSource } from "./reader.ts";
export { isStorable } from "./xattr.ts";
