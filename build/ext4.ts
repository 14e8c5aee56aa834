import type { FileNode, FileTree } from "./file-tree.ts";
import type { Disk } from "./qcow2.ts";

/**
 * Reads an ext4 filesystem without mounting it (Linux Documentation/filesystems/ext4). Extended attributes are left
 * out. Made for images that somebody published: what mke2fs makes by default is read, everything else refused.
 */

const SUPERBLOCK = 1024;
const ROOT_INODE = 2;
const EXTENTS_FLAG = 0x80000;

/** Incompatible features that change nothing for a reader of files, or that are handled: filetype, extents, 64bit, flex_bg. */
const KNOWN_FEATURES = 0x0002 | 0x0040 | 0x0080 | 0x0200;
const FEATURE_64BIT = 0x0080;

interface Inode {
  readonly kind: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly flags: number;
  /** The 60 bytes that are block map, extent tree or short link target. */
  readonly block: Buffer;
}

/** All files of the filesystem. @throws Error when it is none, needs its journal replayed, or is not understood. */
export function readExt4(disk: Disk): FileTree {
  const filesystem = openFilesystem(disk);
  const tree = new Map<string, FileNode>();
  const walked = new Set<number>();
  const walk = (directory: number, path: string) => {
    if (walked.has(directory))
      throw new Error(`ext4: a directory is inside itself or in two places: ${path}`);
    walked.add(directory);
    for (const { name, number } of directoryEntries(filesystem.content(filesystem.inode(directory)))) {
      if (name === "." || name === ".." || path + name === "lost+found") continue;
      const inode = filesystem.inode(number);
      tree.set(path + name, nodeOf(filesystem, inode));
      if (inode.kind === 4) walk(number, `${path}${name}/`);
    }
  };
  walk(ROOT_INODE, "");
  return tree;
}

interface Filesystem {
  inode(number: number): Inode;
  content(inode: Inode): Buffer;
}

/** The upper four bits of an inode's mode. */
const types: Record<number, FileNode["type"]> = { 4: "directory", 8: "file", 10: "symlink" };

function nodeOf(filesystem: Filesystem, inode: Inode): FileNode {
  const { mode, uid, gid } = inode;
  return { type: types[inode.kind] ?? "other", mode, uid, gid, read: () => filesystem.content(inode) };
}

function openFilesystem(disk: Disk): Filesystem {
  const superblock = disk.read(SUPERBLOCK, 1024);
  if (superblock.readUInt16LE(56) !== 0xef53) throw new Error("ext4: no superblock");
  const features = superblock.readUInt32LE(96);
  const unknown = features & ~KNOWN_FEATURES;
  if (unknown !== 0) throw new Error(`ext4: feature 0x${unknown.toString(16)} is not read here`);
  const blockSize = 1024 << superblock.readUInt32LE(24);
  const perGroup = superblock.readUInt32LE(40);
  const inodeSize = superblock.readUInt16LE(88);
  const inodes = superblock.readUInt32LE(0);
  const descriptorSize = features & FEATURE_64BIT ? superblock.readUInt16LE(254) : 32;
  const descriptors = (superblock.readUInt32LE(20) + 1) * blockSize;

  const inode = (number: number): Inode => {
    if (number < 1 || number > inodes) throw new Error(`ext4: there is no inode ${number}`);
    const group = Math.floor((number - 1) / perGroup);
    const descriptor = disk.read(descriptors + group * descriptorSize, descriptorSize);
    const high = descriptorSize >= 64 ? descriptor.readUInt32LE(40) : 0;
    const table = (high * 2 ** 32 + descriptor.readUInt32LE(8)) * blockSize;
    return parseInode(disk.read(table + ((number - 1) % perGroup) * inodeSize, 128));
  };
  const content = (node: Inode): Buffer => {
    const isShortLink = node.kind === 10 && node.size < 60;
    if (isShortLink) return node.block.subarray(0, node.size);
    if ((node.flags & EXTENTS_FLAG) === 0) throw new Error("ext4: a file has no extents");
    if (node.size > disk.size) throw new Error("ext4: a file is larger than the disk");
    const bytes = Buffer.alloc(node.size);
    copyExtents({ disk, blockSize, target: bytes, read: new Set() }, node.block);
    return bytes;
  };
  return { inode, content };
}

function parseInode(bytes: Buffer): Inode {
  const mode = bytes.readUInt16LE(0);
  return {
    kind: mode >> 12,
    mode: mode & 0o7777,
    uid: bytes.readUInt16LE(2) + bytes.readUInt16LE(120) * 0x10000,
    gid: bytes.readUInt16LE(24) + bytes.readUInt16LE(122) * 0x10000,
    size: bytes.readUInt32LE(4) + bytes.readUInt32LE(108) * 2 ** 32,
    flags: bytes.readUInt32LE(32),
    block: bytes.subarray(40, 100),
  };
}

interface Copy {
  readonly disk: Disk;
  readonly blockSize: number;
  readonly target: Buffer;
  /** The blocks of the extent tree that were read: a damaged one may lead in circles. */
  readonly read: Set<number>;
}

/** Copies what one node of an extent tree maps; what nothing maps stays zero. */
function copyExtents(copy: Copy, node: Buffer): void {
  const { disk, blockSize, target } = copy;
  const count = node.readUInt16LE(2);
  if (node.readUInt16LE(0) !== 0xf30a || 12 + count * 12 > node.length)
    throw new Error("ext4: a damaged extent tree");
  const isLeaf = node.readUInt16LE(6) === 0;
  for (let entry = 0; entry < count; entry++) {
    const at = 12 + entry * 12;
    if (!isLeaf) {
      const block = node.readUInt16LE(at + 8) * 2 ** 32 + node.readUInt32LE(at + 4);
      if (copy.read.has(block)) throw new Error("ext4: an extent tree that leads in circles");
      copy.read.add(block);
      copyExtents(copy, disk.read(block * blockSize, blockSize));
      continue;
    }
    const blocks = node.readUInt16LE(at + 4);
    if (blocks > 0x8000) continue; // allocated and never written: zeros
    const start = node.readUInt16LE(at + 6) * 2 ** 32 + node.readUInt32LE(at + 8);
    const to = node.readUInt32LE(at) * blockSize;
    const length = Math.min(blocks * blockSize, target.length - to);
    if (length > 0) disk.read(start * blockSize, length).copy(target, to);
  }
}

/** Also right for hashed directories, whose index blocks look like unused entries. */
function* directoryEntries(bytes: Buffer): Generator<{ name: string; number: number }> {
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt16LE(at + 4);
    if (length < 8 || at + length > bytes.length) throw new Error("ext4: a damaged directory");
    const number = bytes.readUInt32LE(at);
    if (number !== 0) yield { number, name: bytes.toString("utf8", at + 8, at + 8 + (bytes[at + 6] ?? 0)) };
    at += length;
  }
}
