import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { seekSparse } from "../../ffi/libc.ts";

const GIB = 1024 ** 3;

/** The sizes that the built-in templates are formatted for. */
export const TEMPLATE_GIB = { overlay: 2, storage: 20 } as const;

const COPY_BYTES = 1024 * 1024;

/**
 * Makes a sparse disk file at `path`.
 *
 * A disk of the template's size or above is a copy of the formatted template, which costs the few blocks that it has;
 * the guest grows the filesystem to the disk. A smaller one stays blank, and is formatted in the guest.
 *
 * @returns whether the guest has to format the disk.
 */
export function createDisk(
  path: string,
  sizeGib: number,
  template: { path: string; gib: number },
): "blank" | "formatted" {
  const target = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    ftruncateSync(target, sizeGib * GIB);
    if (sizeGib < template.gib) return "blank";
    const source = openSync(template.path, "r");
    try {
      copyData(source, target);
    } finally {
      closeSync(source);
    }
    return "formatted";
  } finally {
    closeSync(target);
  }
}

/** Copies only what is not a hole. */
function copyData(source: number, target: number): void {
  const { size } = fstatSync(source);
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  for (
    let offset = seekSparse(source, 0, "data");
    offset !== undefined;
    offset = seekSparse(source, offset, "data")
  ) {
    const end = seekSparse(source, offset, "hole") ?? size;
    while (offset < end) {
      const length = readSync(source, buffer, 0, Math.min(COPY_BYTES, end - offset), offset);
      if (length === 0) return;
      for (let done = 0; done < length; )
        done += writeSync(target, buffer, done, length - done, offset + done);
      offset += length;
    }
  }
}

/** The ext4 superblock: where it is on the disk, and its fields (Documentation/filesystems/ext4/super.rst). */
const SUPERBLOCK = 1024;
const SUPERBLOCK_BYTES = 1024;
const BLOCKS_LOW_OFFSET = 4;
const BLOCK_SIZE_OFFSET = 24;
const MAGIC_OFFSET = 56;
const STATE_OFFSET = 58;
const BLOCKS_HIGH_OFFSET = 336;
/** The size of a block is 2 to the power of its field and this. */
const SMALLEST_BLOCK = 10;
const EXT4_MAGIC = 0xef53;
const STATE_ERRORS = 2;

/** What a start has to know about an ext4 disk of the machine. */
export interface DiskState {
  /** The guest's kernel found it damaged when it used it: then it has to be checked before its next use. */
  readonly damaged: boolean;
  /** The disk is larger than its filesystem. */
  readonly grow: boolean;
}

/** Reads it from the disk's superblock; a disk without a filesystem has neither. */
export function inspectDisk(path: string): DiskState {
  const disk = openSync(path, "r");
  try {
    const block = Buffer.alloc(SUPERBLOCK_BYTES);
    readSync(disk, block, 0, block.length, SUPERBLOCK);
    if (block.readUInt16LE(MAGIC_OFFSET) !== EXT4_MAGIC) return { damaged: false, grow: false };
    const blocks = block.readUInt32LE(BLOCKS_HIGH_OFFSET) * 2 ** 32 + block.readUInt32LE(BLOCKS_LOW_OFFSET);
    const blockBytes = 2 ** (SMALLEST_BLOCK + block.readUInt32LE(BLOCK_SIZE_OFFSET));
    return {
      damaged: (block.readUInt16LE(STATE_OFFSET) & STATE_ERRORS) !== 0,
      grow: fstatSync(disk).size >= (blocks + 1) * blockBytes,
    };
  } finally {
    closeSync(disk);
  }
}
