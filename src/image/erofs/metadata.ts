import { SmolError } from "../../errors.ts";
import { writeFully } from "../disk.ts";
import { FileType, type Inode } from "../tree/inode.ts";
import { encodeMap } from "./chunks.ts";
import { type DirectoryEntry, writeDirectoryBlock } from "./directory.ts";
import {
  BLOCK,
  BLOCK_BITS,
  Layout,
  LINKS_OFFSET,
  MAX_BLOCKS,
  ROOT_OFFSET,
  SLOT,
  writeSuperblock,
} from "./format.ts";
import { deviceOf, encodeInode } from "./inode.ts";
import { RunWriter } from "./output.ts";
import { type Planned, planTree } from "./plan.ts";

export interface MetadataTarget {
  /** A file open for writing; the caller closes it. */
  readonly fd: number;
  /** The first block of the disk behind all data, and where in the file it goes: bytes. */
  readonly firstBlock: number;
  readonly position: number;
  /** 16 bytes that identify the filesystem; the same input must give the same ones. */
  readonly uuid: Uint8Array;
  /** Copies an inode that stands in a layer's data, and what is behind it. */
  readonly readInode: (position: number, bytes: number) => Buffer;
}

/**
 * Writes all of a filesystem but the data of its files: directories, links, devices, the inodes that are not on the
 * disk yet, and last block 0 with the superblock, at the start of the file.
 *
 * @returns the length of the whole disk, in blocks.
 */
export function writeMetadata(root: Inode, target: MetadataTarget): number {
  const { fd, firstBlock, uuid } = target;
  const plan = planTree(root);
  const inodesBlock = firstBlock + plan.directoryBlocks;
  const blocks = inodesBlock + plan.inodeBlocks;
  if (blocks > MAX_BLOCKS) {
    throw new SmolError("image.too_large", "the image does not fit in an EROFS filesystem (16 TiB)");
  }
  for (const { inode, at } of plan.planned) {
    inode.nid = (inode === root ? ROOT_OFFSET : inodesBlock * BLOCK + at) / SLOT;
  }

  const start = Buffer.alloc(BLOCK);
  const directories = new RunWriter(fd);
  const inodes = new RunWriter(fd);
  const inodesAt = target.position + plan.directoryBlocks * BLOCK;
  let end = 0;
  for (const planned of plan.planned) {
    const [head, behind] = encodePlanned(planned, target, directories);
    if (planned.inode === root) {
      head.copy(start, ROOT_OFFSET);
      behind?.copy(start, ROOT_OFFSET + head.length);
      continue;
    }
    inodes.zeros(inodesAt + end, planned.at - end);
    inodes.append(inodesAt + planned.at, head);
    end = planned.at + head.length;
    if (behind !== undefined) inodes.append(inodesAt + end, behind);
    end += behind?.length ?? 0;
  }
  inodes.zeros(inodesAt + end, plan.inodeBlocks * BLOCK - end);
  directories.flush();
  inodes.flush();
  writeSuperblock(start, { inodes: plan.inodes, blocks, chunked: plan.chunked, uuid });
  writeFully(fd, start, 0);
  return blocks;
}

/** The inode, and what stands behind it; full blocks of directories and long link targets go to `directories`. */
function encodePlanned(
  planned: Planned,
  target: MetadataTarget,
  directories: RunWriter,
): [head: Buffer, behind: Buffer | undefined] {
  const { inode, size, inline } = planned;
  const { attributes, nid, data } = inode;
  if (data !== undefined) return encodeFile(inode, target);
  const links = inode.children === undefined ? inode.links : 2 + countDirectories(inode.children);
  const hasBlocks = size >= BLOCK || (size > 0 && !inline);
  const head = encodeInode(attributes, {
    layout: inline ? Layout.inline : Layout.plain,
    mode: inode.type | attributes.permissions,
    size,
    union: size === 0 ? deviceOf(inode) : hasBlocks ? target.firstBlock + planned.block : 0,
    links,
    nid,
  });
  if (size === 0) return [head, undefined];
  const parts = inode.children === undefined ? [linkBlock(inode.target)] : directoryBlocks(planned);
  const behind = inline ? parts.pop()?.subarray(0, size % BLOCK) : undefined;
  for (const [index, part] of parts.entries()) {
    directories.append(target.position + (planned.block + index) * BLOCK, part);
  }
  return [head, behind];
}

function encodeFile(inode: Inode, target: MetadataTarget): [head: Buffer, behind: Buffer | undefined] {
  const { attributes, data, links, nid } = inode;
  const common = { mode: FileType.regular | attributes.permissions, links, nid };
  if (data?.kind === "blocks") {
    const { size, block } = data;
    // An empty file names no block.
    const union = size === 0 ? 0 : block;
    return [encodeInode(attributes, { ...common, layout: Layout.plain, size, union }), undefined];
  }
  if (data?.kind === "chunks") {
    const { size, chunkBits, block, ranges } = data;
    const union = chunkBits - BLOCK_BITS;
    const head = encodeInode(attributes, { ...common, layout: Layout.chunked, size, union });
    return [head, encodeMap(size, chunkBits, block, ranges)];
  }
  if (data === undefined) throw new Error("a regular file without data");
  // The inode in the layer's data says that the file has one name.
  const copy = target.readInode(data.position, data.bytes);
  copy.writeUInt32LE(links, LINKS_OFFSET);
  return [copy, undefined];
}

function linkBlock(target: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(target, 0, "latin1");
  return block;
}

function directoryBlocks(planned: Planned): Buffer[] {
  const { inode, parent, names, starts } = planned;
  return starts.map((start, index) => {
    const entries = names.slice(start, starts[index + 1]).map((name): DirectoryEntry => {
      const child = name === "." ? inode : name === ".." ? parent : inode.children?.get(name);
      if (child === undefined) throw new Error("a directory changed while it was written");
      return { name, type: child.type, nid: child.nid };
    });
    const block = Buffer.alloc(BLOCK);
    writeDirectoryBlock(block, entries);
    return block;
  });
}

function countDirectories(children: ReadonlyMap<string, Inode>): number {
  let count = 0;
  for (const child of children.values()) if (child.children !== undefined) count++;
  return count;
}
