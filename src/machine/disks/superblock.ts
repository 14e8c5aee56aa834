/** The ext4 superblock: where it is on the disk, and its fields (Documentation/filesystems/ext4/super.rst). */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const SUPERBLOCK = 1024;
const SUPERBLOCK_BYTES = 1024;
const BLOCKS_LOW_OFFSET = 4;
const BLOCK_SIZE_OFFSET = 24;
const MAGIC_OFFSET = 56;
const STATE_OFFSET = 58;
const INCOMPATIBLE_OFFSET = 96;
const BLOCKS_HIGH_OFFSET = 336;
/** The size of a block is 2 to the power of its field and this. */
const SMALLEST_BLOCK = 10;
const EXT4_MAGIC = 0xef53;
const STATE_ERRORS = 2;
const NEEDS_RECOVERY = 4;

/** What a start has to know about an ext4 disk of the machine. */
export interface DiskState {
  /** The guest's kernel found it damaged when it used it: then it has to be checked before its next use. */
  readonly damaged: boolean;
  /** It was in use when its machine ended: the next mount replays its journal. */
  readonly unclean: boolean;
  /** The disk is larger than its filesystem. */
  readonly grow: boolean;
}

/** Reads it from the disk's superblock; a disk without a filesystem has nothing of it. */
export function inspectDisk(path: string): DiskState {
  const disk = openSync(path, "r");
  try {
    const block = Buffer.alloc(SUPERBLOCK_BYTES);
    readSync(disk, block, 0, block.length, SUPERBLOCK);
    if (block.readUInt16LE(MAGIC_OFFSET) !== EXT4_MAGIC)
      return { damaged: false, unclean: false, grow: false };
    const blocks = block.readUInt32LE(BLOCKS_HIGH_OFFSET) * 2 ** 32 + block.readUInt32LE(BLOCKS_LOW_OFFSET);
    const blockBytes = 2 ** (SMALLEST_BLOCK + block.readUInt32LE(BLOCK_SIZE_OFFSET));
    return {
      damaged: (block.readUInt16LE(STATE_OFFSET) & STATE_ERRORS) !== 0,
      unclean: (block.readUInt32LE(INCOMPATIBLE_OFFSET) & NEEDS_RECOVERY) !== 0,
      grow: fstatSync(disk).size >= (blocks + 1) * blockBytes,
    };
  } finally {
    closeSync(disk);
  }
}
