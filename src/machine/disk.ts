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

/**
 * The ext4 superblock, 1024 bytes into the disk: the magic number and the state at offsets 56 and 58
 * (Documentation/filesystems/ext4/super.rst).
 */
const SUPERBLOCK = 1024;
const MAGIC_OFFSET = 56;
const STATE_OFFSET = 58;
const EXT4_MAGIC = 0xef53;
const STATE_ERRORS = 2;

/** Whether the guest's kernel found an ext4 disk damaged when it used it: then it has to be checked before its next use. */
export function hasErrors(path: string): boolean {
  const disk = openSync(path, "r");
  try {
    const superblock = Buffer.alloc(STATE_OFFSET + 2);
    readSync(disk, superblock, 0, superblock.length, SUPERBLOCK);
    const isExt4 = superblock.readUInt16LE(MAGIC_OFFSET) === EXT4_MAGIC;
    return isExt4 && (superblock.readUInt16LE(STATE_OFFSET) & STATE_ERRORS) !== 0;
  } finally {
    closeSync(disk);
  }
}
