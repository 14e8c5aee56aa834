import { type Attributes, FileType } from "../tree/inode.ts";
import { BLOCK, Layout } from "./format.ts";
import { encodeInode, inodeSize } from "./inode.ts";
import type { RunWriter } from "./output.ts";
import { InodePlacer } from "./placer.ts";

/** When this much waits for its inodes, a batch is written: tails differ in size, and pack better in numbers. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 16384;
/** The first one is small: many layers have only a few files. */
const SLAB = { first: 64 * 1024, others: 1024 * 1024 };

interface Waiting {
  readonly attributes: Attributes;
  readonly tail: Uint8Array;
  readonly ticket: number;
}

/** Where a small file has come to be. */
export interface Placed {
  /** What the caller named the file by. */
  readonly ticket: number;
  /** Of the inode, in bytes from the start of the batch. */
  readonly position: number;
  /** Of the inode with all that stands behind it. */
  readonly bytes: number;
}

/**
 * Small files: each is an inode with attributes and data behind it, all within one block. They are the same bytes
 * wherever they lie on a disk, because EROFS numbers inodes by their place and they name no blocks.
 */
export class SmallFiles {
  #waiting: Waiting[] = [];
  #tailBytes = 0;
  /** Memory for tails, used again for each batch; the one in use, and how much of it. */
  readonly #slabs: Buffer[] = [];
  #slab = 0;
  #slabUsed = 0;

  get isFull(): boolean {
    return this.#tailBytes >= BATCH_BYTES || this.#waiting.length >= BATCH_FILES;
  }

  /** Adds a file. @returns memory for its data, to be filled before `place`. */
  add(attributes: Attributes, size: number, ticket: number): Uint8Array {
    if (this.#slabUsed + size > (this.#slab === 0 ? SLAB.first : SLAB.others)) {
      this.#slab++;
      this.#slabUsed = 0;
    }
    const slab =
      this.#slabs[this.#slab] ?? Buffer.allocUnsafeSlow(this.#slab === 0 ? SLAB.first : SLAB.others);
    this.#slabs[this.#slab] = slab;
    const tail = slab.subarray(this.#slabUsed, this.#slabUsed + size);
    this.#slabUsed += size;
    this.#tailBytes += size;
    this.#waiting.push({ attributes, tail, ticket });
    return tail;
  }

  /**
   * Gives each file a place, writes them all, and forgets them.
   *
   * @param start where the batch begins in the file: the start of a block.
   * @returns the places, and the size of the batch in blocks.
   */
  place(run: RunWriter, start: number): { placed: Placed[]; blocks: number } {
    const placer = new InodePlacer();
    const sorted = this.#waiting
      .map((file) => {
        const bytes = inodeSize(file.attributes.xattrs) + file.tail.length;
        return { file, bytes, position: placer.place(bytes) };
      })
      .sort((a, b) => a.position - b.position);
    let end = 0;
    for (const { file, bytes, position } of sorted) {
      run.zeros(start + end, position - end);
      const head = encodeSmall(file);
      run.append(start + position, head);
      run.append(start + position + head.length, file.tail);
      end = position + bytes;
    }
    run.zeros(start + end, placer.blocks * BLOCK - end);
    run.flush();
    this.#waiting = [];
    this.#tailBytes = 0;
    this.#slab = 0;
    this.#slabUsed = 0;
    const placed = sorted.map(({ file: { ticket }, position, bytes }) => ({ ticket, position, bytes }));
    return { placed, blocks: placer.blocks };
  }
}

function encodeSmall({ attributes, tail }: Waiting): Buffer {
  return encodeInode(attributes, {
    layout: tail.length === 0 ? Layout.plain : Layout.inline,
    mode: FileType.regular | attributes.permissions,
    size: tail.length,
    union: 0,
    links: 1,
    // What Linux shows is computed from the place; this field would have to change with it.
    nid: 0,
  });
}
