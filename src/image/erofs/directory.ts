import { FileType, type FileTypeBits } from "../tree/inode.ts";
import { BLOCK, writeUInt64 } from "./format.ts";

/** struct erofs_dirent. */
const DIRENT = 12;

/** File types of directory entries (FT_* of include/linux/fs_types.h). */
const entryTypes = new Map<FileTypeBits, number>([
  [FileType.regular, 1],
  [FileType.directory, 2],
  [FileType.character, 3],
  [FileType.block, 4],
  [FileType.fifo, 5],
  [FileType.socket, 6],
  [FileType.symlink, 7],
]);

export interface DirectoryEntry {
  /** Byte string. */
  readonly name: string;
  readonly type: FileTypeBits;
  readonly nid: number;
}

/**
 * Splits sorted names into blocks: each holds its entries, then their names, and nothing crosses a block.
 *
 * @returns the index of the first name of each block, and the size of the directory in bytes.
 */
export function layoutDirectory(names: readonly string[]): { starts: number[]; size: number } {
  const starts = [0];
  let used = 0;
  for (const [index, name] of names.entries()) {
    const need = DIRENT + name.length;
    if (used + need > BLOCK) {
      starts.push(index);
      used = 0;
    }
    used += need;
  }
  return { starts, size: (starts.length - 1) * BLOCK + used };
}

/** Writes one block of a directory. `target` must be zero; names are not terminated where the block is full. */
export function writeDirectoryBlock(target: Buffer, entries: readonly DirectoryEntry[]): void {
  let nameAt = entries.length * DIRENT;
  for (const [index, entry] of entries.entries()) {
    const at = index * DIRENT;
    writeUInt64(target, entry.nid, at);
    target.writeUInt16LE(nameAt, at + 8);
    target[at + 10] = entryTypes.get(entry.type) ?? 0;
    target.write(entry.name, nameAt, "latin1");
    nameAt += entry.name.length;
  }
}
