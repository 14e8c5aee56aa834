/**
 * Reads the files of an ext4 from the disk of a machine that does not run, without mounting it: no kernel of the host's
 * sees what a guest has written. A guest that is root can write anything there, so every number is checked against the
 * disk before it is used, and what makes no sense is an error.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { limits } from "../image/limits.ts";
import { type FileTree, FileType, Listing, type OpenTreeFile, type TreeFile } from "../image/tree/index.ts";
import { type Extent, readExtents } from "./extents.ts";
import { damaged } from "./failure.ts";
import { descriptorPlace, type Geometry, readGeometry } from "./geometry.ts";
import { type DiskInode, deviceNumber, MAP_BYTES, parseAttributeBlock, parseInode } from "./inode.ts";

const SUPERBLOCK = 1024;
const ROOT_INODE = 2;
/** Below it are the filesystem's own, but the root. */
const FIRST_INODE = 11;
/** Names of four million files have less. */
const MAX_DIRECTORY = 512 * 1024 * 1024;

export class Ext4 implements FileTree, Disposable {
  readonly root: TreeFile;
  /** It was in use when its machine ended: the newest changes are only in its journal, which is not read. */
  readonly unclean: boolean;
  readonly #fd: number;
  readonly #geometry: Geometry;

  /** @throws SmolError `disk.damaged` */
  constructor(path: string) {
    this.#fd = openSync(path, "r");
    try {
      this.#geometry = readGeometry(this.#read(SUPERBLOCK, 1024));
      this.unclean = this.#geometry.unclean;
      this.root = this.#file(ROOT_INODE);
      if (this.root.type !== FileType.directory) throw damaged("its root is no directory");
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  entries(directory: TreeFile): ReadonlyMap<string, TreeFile> {
    const inode = this.#readInode(directory.id);
    const { size } = inode;
    const { block } = this.#geometry;
    if (size > MAX_DIRECTORY || size % block !== 0) throw damaged("a directory has a size that none has");
    const numbers = new Map<string, number>();
    for (const extent of this.#extents(inode)) {
      for (let index = 0; index < extent.count && (extent.block + index) * block < size; index++) {
        readNames(this.#block(extent.start + index), numbers);
      }
    }
    const sorted = [...numbers].sort(([a], [b]) => (a < b ? -1 : 1));
    const listing = new Listing();
    const fileOf = (number: number) => {
      const file = this.#file(number);
      listing.add(file);
      return file;
    };
    return new Map(sorted.map(([name, number]) => [name, fileOf(number)]));
  }

  open(file: TreeFile): OpenTreeFile {
    const { size } = file;
    const { block } = this.#geometry;
    const all = size === 0 ? [] : this.#extents(this.#readInode(file.id));
    const extents = all.filter((extent) => extent.block * block < size);
    const runs: { offset: number; length: number }[] = [];
    for (const extent of extents) {
      const offset = extent.block * block;
      const length = Math.min(extent.count * block, size - offset);
      const last = runs.at(-1);
      if (last !== undefined && last.offset + last.length === offset) last.length += length;
      else runs.push({ offset, length });
    }
    const read = (offset: number, length: number) => this.#readExtents(extents, offset, length);
    // A map of more pieces is refused wherever the file goes: it has its zeros then.
    return { runs: runs.length > limits.sparseRuns ? [{ offset: 0, length: size }] : runs, read };
  }

  /** Bytes of a file; zeros where it has none. */
  #readExtents(extents: readonly Extent[], offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const { block } = this.#geometry;
    for (const extent of extents.slice(firstBehind(extents, offset / block))) {
      const begin = extent.block * block;
      if (begin >= offset + length) break;
      const from = Math.max(begin, offset);
      const to = Math.min(begin + extent.count * block, offset + length);
      this.#read(extent.start * block + from - begin, to - from).copy(bytes, from - offset);
    }
    return bytes;
  }

  #extents(inode: DiskInode): Extent[] {
    if (!inode.hasExtents) throw damaged("a file has no extents");
    const extents = readExtents(inode.map, (block) => this.#block(block));
    const { blocks } = this.#geometry;
    if (extents.some(({ start, count }) => start < 1 || start + count > blocks))
      throw damaged("a file lies outside of the disk");
    return extents;
  }

  #file(number: number): TreeFile {
    if (number !== ROOT_INODE && number < FIRST_INODE) throw damaged(`a name leads to inode ${number}`);
    const inode = this.#readInode(number);
    const { type, permissions, uid, gid, seconds, nanoseconds, links } = inode;
    const isRegular = type === FileType.regular;
    if (isRegular && inode.size > limits.fileBytes) throw damaged(`inode ${number} has a size that none has`);
    const isDevice = type === FileType.character || type === FileType.block;
    const more = inode.attributeBlock === 0 ? [] : parseAttributeBlock(this.#block(inode.attributeBlock));
    return {
      ...{ type, links, id: number },
      attributes: { permissions, uid, gid, seconds, nanoseconds, xattrs: [...inode.xattrs, ...more] },
      size: isRegular ? inode.size : 0,
      target: type === FileType.symlink ? this.#target(inode, number) : "",
      ...(isDevice ? deviceNumber(inode.map) : { major: 0, minor: 0 }),
    };
  }

  #target(inode: DiskInode, number: number): string {
    const { size, map, hasExtents } = inode;
    if (size === 0 || size >= limits.pathBytes) throw damaged(`the link ${number} has no target`);
    if (!hasExtents && size < MAP_BYTES) return map.toString("latin1", 0, size);
    // It is in one block, and needs no tree.
    const [first] = hasExtents ? readExtents(map, (block) => this.#block(block), 1) : [];
    if (first === undefined || first.block !== 0) throw damaged(`the link ${number} has no target`);
    return this.#block(first.start).toString("latin1", 0, size);
  }

  #readInode(number: number): DiskInode {
    const { inodes, inodesPerGroup, inodeBytes, block, descriptorBytes } = this.#geometry;
    if (number < 1 || number > inodes) throw damaged(`there is no inode ${number}`);
    const group = Math.floor((number - 1) / inodesPerGroup);
    const descriptor = this.#read(descriptorPlace(this.#geometry, group), descriptorBytes);
    const high = descriptorBytes >= 64 ? descriptor.readUInt32LE(40) : 0;
    const table = (descriptor.readUInt32LE(8) + high * 2 ** 32) * block;
    return parseInode(this.#read(table + ((number - 1) % inodesPerGroup) * inodeBytes, inodeBytes), number);
  }

  #block(number: number): Buffer {
    const { block, blocks } = this.#geometry;
    if (number < 1 || number >= blocks) throw damaged("something lies outside of the disk");
    return this.#read(number * block, block);
  }

  #read(position: number, length: number): Buffer {
    if (!Number.isSafeInteger(position + length)) throw damaged("something lies outside of the disk");
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, bytes, done, length - done, position + done);
      if (count === 0) throw damaged("the disk is shorter than its filesystem");
      done += count;
    }
    return bytes;
  }
}

/** Number of the first extent that ends behind a block. */
function firstBehind(extents: readonly Extent[], block: number): number {
  let [low, high] = [0, extents.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { block: first, count } = extents[middle] as Extent;
    if (first + count <= block) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A directory's names; its index looks like unused entries (Documentation/filesystems/ext4/directory.rst). */
function readNames(block: Buffer, into: Map<string, number>): void {
  for (let at = 0; at < block.length; ) {
    const length = at + 8 <= block.length ? block.readUInt16LE(at + 4) : 0;
    // In blocks of 64 KiB the whole block does not fit into the field.
    const whole = length === 0xffff || (length === 0 && block.length === 65_536) ? block.length - at : length;
    const nameLength = block[at + 6] ?? 0;
    if (whole < 8 || at + whole > block.length || nameLength + 8 > whole)
      throw damaged("a directory is none");
    const number = block.readUInt32LE(at);
    const name = block.toString("latin1", at + 8, at + 8 + nameLength);
    at += whole;
    if (number === 0 || name === "." || name === "..") continue;
    if (name === "" || name.includes("/") || name.includes("\0")) throw damaged("a name is none");
    if (into.has(name)) throw damaged("a directory has a name twice");
    if (into.size === limits.entries) throw damaged("a directory has too many names");
    into.set(name, number);
  }
}
