import type { Inode } from "../tree/inode.ts";
import { BlockAllocator } from "./extents.ts";
import { finishImage } from "./finish.ts";
import { BLOCK, BLOCK_BITS } from "./format.ts";
import { InodeBatch, inlineTailSize } from "./inodes.ts";
import { OutputFile, RunWriter } from "./output.ts";

/** A run of data inside a sparse file: bytes from the start of the file. */
export interface DataRun {
  readonly offset: number;
  readonly length: number;
}

export interface FinishOptions {
  /** 16 bytes that identify the image; the same input must give the same ones. */
  readonly uuid: Uint8Array;
}

/**
 * Writes an EROFS image in one pass: the data of files goes to disk as it comes in, followed now and then by a batch
 * of their inodes; everything else (directories, links, devices) is written by `finish` out of the tree in memory.
 *
 *     writer.beginFile(inode, size); writer.write(bytes)…; writer.endFile();  await writer.drain();
 *     await writer.finish(root, { uuid });
 *
 * `write` never waits; callers await `drain` after each chunk of input, which bounds the memory in use.
 */
export class ErofsWriter {
  readonly #output: OutputFile;
  readonly #data: RunWriter;
  /** Block 0 holds the superblock and the root inode. */
  readonly #allocator = new BlockAllocator(1);
  readonly #batch: InodeBatch;
  readonly #fd: number;
  #current: OpenFile | undefined;
  #chunked = false;

  /** @param fd an empty file, open for reading and writing; the caller closes it, after `finish` or `abort`. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#output = new OutputFile(fd);
    this.#data = new RunWriter(this.#output);
    this.#batch = new InodeBatch(this.#output, this.#allocator);
  }

  /** Begins the data of a regular file of exactly `size` bytes. */
  beginFile(inode: Inode, size: number): void {
    this.#writeFullBatch();
    const tailSize = inlineTailSize(size, inode.attributes.xattrs);
    const inBlocks = size - tailSize;
    inode.blocks = Math.ceil(inBlocks / BLOCK);
    inode.block = inode.blocks === 0 ? 0 : this.#allocator.allocate(inode.blocks);
    const tail = tailSize > 0 ? this.#batch.tailBuffer(tailSize) : undefined;
    inode.content = { size, tail, chunkBits: 0, chunks: undefined };
    this.#current = {
      inode,
      left: size,
      position: inode.block * BLOCK,
      tail,
      tailUsed: 0,
      inBlocks,
      padding: inode.blocks * BLOCK - inBlocks,
      runs: undefined,
      run: 0,
    };
  }

  /**
   * Begins a sparse file. `write` then takes the bytes of the runs, one after the other.
   *
   * @param runs ascending, without overlap, inside the file.
   */
  beginSparseFile(inode: Inode, size: number, runs: readonly DataRun[]): void {
    this.#writeFullBatch();
    const chunkBits = chunkBitsFor(size);
    const chunks = chunksOf(runs, chunkBits);
    const chunkBlocks = 2 ** (chunkBits - BLOCK_BITS);
    inode.blocks = chunks.length * chunkBlocks;
    // Always new blocks: what no run covers must read as zeros, and stays a hole in the image file.
    inode.block = inode.blocks === 0 ? 0 : this.#allocator.append(inode.blocks);
    inode.content = { size, tail: undefined, chunkBits, chunks };
    this.#chunked = true;
    this.#current = {
      inode,
      left: runs.reduce((sum, run) => sum + run.length, 0),
      position: 0,
      tail: undefined,
      tailUsed: 0,
      inBlocks: 0,
      padding: 0,
      runs: locateRuns(runs, inode.block, chunks, chunkBits),
      run: 0,
    };
  }

  /** The next bytes of the file. They are copied; the caller may reuse them at once. */
  write(bytes: Uint8Array): void {
    const file = this.#current;
    if (file === undefined || bytes.length > file.left) throw new Error("data outside of a file");
    file.left -= bytes.length;
    if (file.runs !== undefined) {
      this.#writeRuns(file, bytes, file.runs);
      return;
    }
    const inBlocks = Math.min(bytes.length, file.inBlocks);
    if (inBlocks > 0) {
      this.#data.append(file.position, inBlocks === bytes.length ? bytes : bytes.subarray(0, inBlocks));
      file.position += inBlocks;
      file.inBlocks -= inBlocks;
    }
    if (file.tail !== undefined && inBlocks < bytes.length) {
      file.tail.set(bytes.subarray(inBlocks), file.tailUsed);
      file.tailUsed += bytes.length - inBlocks;
    }
  }

  endFile(): void {
    const file = this.#current;
    if (file === undefined || file.left !== 0) throw new Error("a file ended early");
    this.#current = undefined;
    // The block may hold bytes of a file that was replaced.
    if (file.padding > 0) this.#data.zeros(file.position, file.padding);
    this.#batch.add(file.inode);
  }

  /** Takes back the blocks of a file that no name leads to any more. */
  release(inode: Inode): void {
    this.#allocator.release(inode.block, inode.blocks);
    inode.blocks = 0;
    inode.content = undefined;
  }

  /** Waits while too much is queued for the disk, and throws what went wrong there. */
  async drain(): Promise<void> {
    await this.#output.drain();
  }

  /** Writes all that is left. @returns the size of the image in bytes. */
  async finish(root: Inode, options: FinishOptions): Promise<number> {
    this.#data.flush();
    this.#batch.flush();
    return await finishImage({
      fd: this.#fd,
      output: this.#output,
      allocator: this.#allocator,
      root,
      chunked: this.#chunked,
      uuid: options.uuid,
    });
  }

  /** Waits until nothing writes to the descriptor any more, so that it can be closed. */
  async abort(): Promise<void> {
    await this.#output.settle();
  }

  /** Only between two files: the memory for the tail of an open one must not be given out again. */
  #writeFullBatch(): void {
    if (this.#current !== undefined) throw new Error("a file was not ended");
    if (!this.#batch.isFull) return;
    this.#data.flush();
    this.#batch.flush();
  }

  #writeRuns(file: OpenFile, bytes: Uint8Array, runs: readonly LocatedRun[]): void {
    let done = 0;
    while (done < bytes.length) {
      const run = runs[file.run];
      if (run === undefined) throw new Error("data behind the last run");
      const count = Math.min(bytes.length - done, run.length - file.position);
      this.#data.append(run.at + file.position, bytes.subarray(done, done + count));
      done += count;
      file.position += count;
      if (file.position === run.length) {
        file.run++;
        file.position = 0;
      }
    }
  }
}

interface OpenFile {
  readonly inode: Inode;
  /** Bytes still to come. */
  left: number;
  /** Where the next byte goes in the image; in a sparse file, the bytes done of the present run. */
  position: number;
  /** Bytes still to come that belong in blocks, and the zeros behind them. */
  inBlocks: number;
  readonly padding: number;
  readonly tail: Uint8Array | undefined;
  tailUsed: number;
  readonly runs: readonly LocatedRun[] | undefined;
  run: number;
}

interface LocatedRun {
  /** Place in the image, in bytes. */
  readonly at: number;
  readonly length: number;
}

/** Enough for a map of 256 KiB, however large the file says it is. */
const MAX_CHUNKS = 65536;

/** log2 of the smallest chunk size that keeps the map of a file short. */
function chunkBitsFor(size: number): number {
  let bits = BLOCK_BITS;
  while (Math.ceil(size / 2 ** bits) > MAX_CHUNKS) bits++;
  return bits;
}

/** Numbers of the chunks that have data. */
function chunksOf(runs: readonly DataRun[], chunkBits: number): number[] {
  const chunk = 2 ** chunkBits;
  const chunks: number[] = [];
  let next = 0;
  for (const run of runs) {
    if (run.length === 0) continue;
    const last = Math.floor((run.offset + run.length - 1) / chunk);
    for (let index = Math.max(next, Math.floor(run.offset / chunk)); index <= last; index++)
      chunks.push(index);
    next = Math.max(next, last + 1);
  }
  return chunks;
}

/** Says where in the image each run goes. */
function locateRuns(
  runs: readonly DataRun[],
  block: number,
  chunks: readonly number[],
  chunkBits: number,
): LocatedRun[] {
  const chunk = 2 ** chunkBits;
  const located: LocatedRun[] = [];
  let place = 0;
  for (const run of runs) {
    if (run.length === 0) continue;
    // The chunks of one run are neighbours in the file, and so in the image.
    const first = Math.floor(run.offset / chunk);
    while ((chunks[place] ?? Number.POSITIVE_INFINITY) < first) place++;
    located.push({ at: block * BLOCK + place * chunk + (run.offset - first * chunk), length: run.length });
  }
  return located;
}
