import type { ChunkRange } from "../tree/inode.ts";
import { BLOCK_BITS } from "./format.ts";

/** A run of data inside a sparse file: bytes from the start of the file. */
export interface DataRun {
  readonly offset: number;
  readonly length: number;
}

export interface LocatedRun {
  /** Place in the file that is written, in bytes. */
  readonly at: number;
  readonly length: number;
}

/** Enough for a map of 256 KiB, however large the file says it is. */
export const MAX_CHUNKS = 65536;

/** Bits of the chunk format that say how large chunks are (EROFS_CHUNK_FORMAT_BLKBITS_MASK: log2 of blocks). */
export const MAX_CHUNK_BITS = BLOCK_BITS + 31;

/** Decides how large the chunks of a sparse file are, and which of them have data. */
export function layoutChunks(
  size: number,
  runs: readonly DataRun[],
): { chunkBits: number; ranges: ChunkRange[]; blocks: number } {
  const chunkBits = chunkBitsFor(size);
  const ranges = rangesOf(runs, chunkBits);
  const chunks = ranges.reduce((sum, { count }) => sum + count, 0);
  return { chunkBits, ranges, blocks: chunks * 2 ** (chunkBits - BLOCK_BITS) };
}

/** log2 of the smallest chunk size that keeps the map of a file short. */
function chunkBitsFor(size: number): number {
  let bits = BLOCK_BITS;
  while (Math.ceil(size / 2 ** bits) > MAX_CHUNKS) bits++;
  return bits;
}

/** Numbers of the chunks that have data. */
function rangesOf(runs: readonly DataRun[], chunkBits: number): ChunkRange[] {
  const chunk = 2 ** chunkBits;
  const ranges: { first: number; count: number }[] = [];
  for (const run of runs) {
    if (run.length === 0) continue;
    const first = Math.floor(run.offset / chunk);
    const end = Math.floor((run.offset + run.length - 1) / chunk) + 1;
    const last = ranges.at(-1);
    if (last !== undefined && first <= last.first + last.count) last.count = end - last.first;
    else ranges.push({ first, count: end - first });
  }
  return ranges;
}

/**
 * Says where each run goes.
 *
 * @param base where the first chunk that has data goes, in bytes.
 */
export function locateRuns(
  runs: readonly DataRun[],
  base: number,
  ranges: readonly ChunkRange[],
  chunkBits: number,
): LocatedRun[] {
  const chunk = 2 ** chunkBits;
  const located: LocatedRun[] = [];
  let index = 0;
  let before = 0;
  for (const run of runs) {
    if (run.length === 0) continue;
    let range = ranges[index];
    // Each run is inside one range, and both ascend.
    while (range !== undefined && run.offset >= (range.first + range.count) * chunk) {
      before += range.count;
      range = ranges[++index];
    }
    if (range === undefined) throw new Error("a run outside of all chunks");
    located.push({ at: base + before * chunk + run.offset - range.first * chunk, length: run.length });
  }
  return located;
}

/** Bytes of the map of a chunked file. */
export const mapSize = (size: number, chunkBits: number) => 4 * Math.ceil(size / 2 ** chunkBits);

/** The map behind the inode of a chunked file: one 32-bit block number for each chunk. */
export function encodeMap(
  size: number,
  chunkBits: number,
  block: number,
  ranges: readonly ChunkRange[],
): Buffer {
  // Bytes of 255 mark holes (HOLE).
  const map = Buffer.alloc(mapSize(size, chunkBits), 0xff);
  const chunkBlocks = 2 ** (chunkBits - BLOCK_BITS);
  let next = block;
  for (const { first, count } of ranges) {
    for (let chunk = first; chunk < first + count; chunk++) {
      map.writeUInt32LE(next, chunk * 4);
      next += chunkBlocks;
    }
  }
  return map;
}
