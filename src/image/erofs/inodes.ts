import { FileType, type Inode, impliedDirectory, type Xattr } from "../tree/inode.ts";
import type { BlockAllocator } from "./extents.ts";
import {
  BLOCK,
  BLOCK_BITS,
  EXTENDED_INODE,
  encodeDevice,
  type InodeFields,
  Layout,
  SLOT,
  writeInode,
} from "./format.ts";
import { type OutputFile, RunWriter } from "./output.ts";
import { InodePlacer } from "./placer.ts";
import { writeXattrs, xattrSize } from "./xattr.ts";

/**
 * Of files that also have full blocks, only short tails move behind the inode: a long one saves little, and a large
 * file should be readable in whole blocks.
 */
const MAX_TAIL_OF_LARGE_FILE = 2048;
/** When this much waits for its inodes, a batch is written. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 16384;
const SLAB = 1024 * 1024;

/** How many of the last bytes of a file stand behind its inode. */
export function inlineTailSize(size: number, xattrs: readonly Xattr[]): number {
  const tail = size % BLOCK;
  if (size > BLOCK && tail > MAX_TAIL_OF_LARGE_FILE) return 0;
  return fitsInline(tail, xattrs) ? tail : 0;
}

/** Inode, attributes and tail have to be within one block, or the kernel refuses the inode. */
export function fitsInline(tail: number, xattrs: readonly Xattr[]): boolean {
  return EXTENDED_INODE + xattrSize(xattrs) + tail <= BLOCK;
}

/** Bytes of the block map behind the inode of a chunked file, with what aligns it. */
function mapSize(inode: Inode): number {
  const content = inode.content;
  if (content?.chunks === undefined) return 0;
  return 4 * Math.ceil(content.size / 2 ** content.chunkBits);
}

/** Regular files whose data is written and whose inode is not. */
export class InodeBatch {
  readonly #allocator: BlockAllocator;
  readonly #run: RunWriter;
  #inodes: Inode[] = [];
  #tailBytes = 0;
  /** Memory for tails, used again for each batch; the one in use, and how much of it. */
  readonly #slabs: Buffer[] = [];
  #slab = 0;
  #slabUsed = 0;

  constructor(output: OutputFile, allocator: BlockAllocator) {
    this.#run = new RunWriter(output);
    this.#allocator = allocator;
  }

  get isFull(): boolean {
    return this.#tailBytes >= BATCH_BYTES || this.#inodes.length >= BATCH_FILES;
  }

  /** Memory for the tail of a file, until the batch is written. */
  tailBuffer(size: number): Uint8Array {
    if (this.#slabUsed + size > SLAB) {
      this.#slab++;
      this.#slabUsed = 0;
    }
    const slab = this.#slabs[this.#slab] ?? Buffer.allocUnsafeSlow(SLAB);
    this.#slabs[this.#slab] = slab;
    const tail = slab.subarray(this.#slabUsed, this.#slabUsed + size);
    this.#slabUsed += size;
    this.#tailBytes += size;
    return tail;
  }

  add(inode: Inode): void {
    this.#inodes.push(inode);
  }

  /** Writes the inodes of all files that still exist, and forgets them. */
  flush(): void {
    const placer = new InodePlacer();
    const placed = this.#inodes
      .filter((inode) => inode.content !== undefined)
      .map((inode) => ({ inode, at: placer.place(regularSize(inode)) }))
      .sort((a, b) => a.at - b.at);
    this.#inodes = [];
    this.#tailBytes = 0;
    this.#slab = 0;
    this.#slabUsed = 0;
    if (placer.blocks === 0) return;
    const base = this.#allocator.allocate(placer.blocks) * BLOCK;
    let end = 0;
    for (const { inode, at } of placed) {
      this.#run.zeros(base + end, at - end);
      end = at + writeRegular(this.#run, inode, base + at);
    }
    this.#run.zeros(base + end, placer.blocks * BLOCK - end);
    this.#run.flush();
  }
}

const regularSize = (inode: Inode) =>
  EXTENDED_INODE +
  xattrSize(inode.attributes.xattrs) +
  (inode.content?.chunks === undefined ? (inode.content?.tail?.length ?? 0) : mapSize(inode));

/** Writes the inode of a regular file with all that stands behind it. @returns its length in bytes. */
function writeRegular(run: RunWriter, inode: Inode, position: number): number {
  const content = inode.content;
  if (content === undefined) throw new Error("a regular file without content");
  const chunked = content.chunks !== undefined;
  inode.nid = position / SLOT;
  const head = encodeInode(inode, {
    layout: chunked ? Layout.chunked : content.tail === undefined ? Layout.plain : Layout.inline,
    size: content.size,
    union: chunked ? content.chunkBits - BLOCK_BITS : inode.block,
  });
  run.append(position, head);
  let end = position + head.length;
  const behind = chunked ? encodeMap(inode) : content.tail;
  if (behind !== undefined) {
    run.append(end, behind);
    end += behind.length;
  }
  // All of it is in the image now: give the memory back.
  inode.content = undefined;
  inode.attributes = impliedDirectory;
  return end - position;
}

/** The block map of a chunked file: one 32-bit block number for each chunk. */
function encodeMap(inode: Inode): Buffer {
  const { content } = inode;
  const map = Buffer.alloc(mapSize(inode), 0xff);
  if (content?.chunks === undefined) return map;
  const chunkBlocks = 2 ** (content.chunkBits - BLOCK_BITS);
  for (const [index, chunk] of content.chunks.entries()) {
    const block = inode.block + index * chunkBlocks;
    map.writeUInt32LE(block, chunk * 4);
  }
  return map;
}

/** An inode and its attributes. `inode.nid` must be known. */
export function encodeInode(inode: Inode, place: Pick<InodeFields, "layout" | "size" | "union">): Buffer {
  const { attributes } = inode;
  const xattrBytes = xattrSize(attributes.xattrs);
  const bytes = Buffer.allocUnsafe(EXTENDED_INODE + xattrBytes);
  inode.writtenLinks = inode.links;
  writeInode(bytes, 0, {
    layout: place.layout,
    size: place.size,
    union: place.union,
    mode: inode.type | attributes.permissions,
    number: inode.nid,
    uid: attributes.uid,
    gid: attributes.gid,
    seconds: attributes.seconds,
    nanoseconds: attributes.nanoseconds,
    links: inode.links,
    xattrBytes,
  });
  writeXattrs(bytes, EXTENDED_INODE, attributes.xattrs);
  return bytes;
}

/** The device number that belongs in the inode of a device node; 0 for everything else. */
export function deviceOf(inode: Inode): number {
  const isDevice = inode.type === FileType.character || inode.type === FileType.block;
  return isDevice ? encodeDevice(inode.major, inode.minor) : 0;
}
