/** The tree of extents of a file (Documentation/filesystems/ext4/ifork.rst, "Extent Tree"). */
import { damaged } from "./failure.ts";

const MAGIC = 0xf30a;
const HEADER = 12;
const ENTRY = 12;
/** The deepest tree that Linux makes (EXT4_MAX_EXTENT_DEPTH). */
const MAX_DEPTH = 5;
/** Lengths above it mean blocks that were reserved and never written. */
const MAX_LENGTH = 32_768;
/** Blocks of the tree that are read for one file: enough for 16 TiB in pieces of a MiB. */
const MAX_NODES = 65_536;
/** Pieces of one file; the largest file has a hundred thousand when it is whole. All are held in memory. */
const MAX_EXTENTS = 4_000_000;

/** Blocks of a file that follow each other on the disk. */
export interface Extent {
  /** In the file. */
  readonly block: number;
  readonly count: number;
  /** On the disk. */
  readonly start: number;
}

/**
 * The extents that were written, ascending; neighbours are joined.
 *
 * @param root the map in the inode @param readBlock of the disk @param most blocks of the tree, the root included
 * @throws SmolError `disk.damaged`
 */
export function readExtents(root: Buffer, readBlock: (block: number) => Buffer, most = MAX_NODES): Extent[] {
  const found: { block: number; count: number; start: number }[] = [];
  let nodes = 0;
  let end = 0;
  const visit = (node: Buffer, depth: number | undefined) => {
    const entries = node.readUInt16LE(2);
    const here = node.readUInt16LE(6);
    const fits = HEADER + entries * ENTRY <= node.length && here <= MAX_DEPTH;
    if (node.readUInt16LE(0) !== MAGIC || !fits || (depth !== undefined && here !== depth) || ++nodes > most)
      throw damaged("a tree of extents is none");
    for (let at = HEADER; at < HEADER + entries * ENTRY; at += ENTRY) {
      const block = node.readUInt32LE(at);
      if (here > 0) {
        visit(readBlock(node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32), here - 1);
        continue;
      }
      const length = node.readUInt16LE(at + 4);
      const count = length > MAX_LENGTH ? length - MAX_LENGTH : length;
      if (block < end || count === 0) throw damaged("extents are not in order");
      end = block + count;
      if (length > MAX_LENGTH) continue;
      const start = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
      const last = found.at(-1);
      if (last !== undefined && last.block + last.count === block && last.start + last.count === start)
        last.count += count;
      else if (found.length < MAX_EXTENTS) found.push({ block, count, start });
      else throw damaged("a file is in too many pieces");
    }
  };
  visit(root, undefined);
  return found;
}
