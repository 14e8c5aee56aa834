import { SmolError } from "../../errors.ts";
import type { Attributes, ChunkRange } from "../tree/inode.ts";
import { type Placed, SmallFiles } from "./batch.ts";
import { type DataRun, type LocatedRun, layoutChunks, locateRuns } from "./chunks.ts";
import { BLOCK, MAX_BLOCKS } from "./format.ts";
import { fitsInline } from "./inode.ts";
import { RunWriter } from "./output.ts";

/** Where a file's data goes. Blocks are numbered from the start of the layer's data. */
export type DataPlace =
  | { readonly kind: "small" }
  | { readonly kind: "blocks"; readonly block: number }
  | {
      readonly kind: "chunks";
      readonly block: number;
      readonly chunkBits: number;
      readonly ranges: readonly ChunkRange[];
    };

/**
 * Writes the data of a layer's files as they come in, in whole blocks and without looking back. What an EROFS inode
 * says of a file depends on where the layer will lie on a disk, and is not written here; except for small files,
 * which are written complete, in batches.
 *
 *     writer.beginFile(…) or writer.beginSparseFile(…); writer.write(bytes)…; writer.endFile();
 *     writer.finish();
 */
export class DataWriter {
  readonly #data: RunWriter;
  readonly #small = new SmallFiles();
  readonly #start: number;
  readonly #onPlaced: (placed: readonly Placed[]) => void;
  #blocks = 0;
  #current: OpenFile | undefined;

  /**
   * @param fd a file open for writing; the caller closes it.
   * @param start where the layer's data begins in that file, in bytes: the start of a block.
   * @param onPlaced told about each batch of small files; positions are bytes from the start of the layer's data.
   */
  constructor(fd: number, start: number, onPlaced: (placed: readonly Placed[]) => void) {
    this.#data = new RunWriter(fd);
    this.#start = start;
    this.#onPlaced = onPlaced;
  }

  /**
   * Begins the data of a regular file of exactly `size` bytes.
   *
   * @param ticket names the file to `onPlaced`, when it is a small one.
   */
  beginFile(attributes: Attributes, size: number, ticket: () => number): DataPlace {
    this.#requireIdle();
    if (size < BLOCK && fitsInline(size, attributes.xattrs)) {
      if (this.#small.isFull) this.flushSmall();
      this.#current = { ...noFile, left: size, small: this.#small.add(attributes, size, ticket()) };
      return { kind: "small" };
    }
    const blocks = Math.ceil(size / BLOCK);
    const block = this.#append(blocks);
    this.#current = {
      ...noFile,
      left: size,
      position: this.#start + block * BLOCK,
      padding: blocks * BLOCK - size,
    };
    return { kind: "blocks", block };
  }

  /**
   * Begins a sparse file. `write` then takes the bytes of the runs, one after the other.
   *
   * @param runs ascending, without overlap, inside the file.
   */
  beginSparseFile(size: number, runs: readonly DataRun[]): DataPlace {
    this.#requireIdle();
    const { chunkBits, ranges, blocks } = layoutChunks(size, runs);
    // What no run covers was never written: it reads as zeros, and costs no space.
    const block = this.#append(blocks);
    this.#current = {
      ...noFile,
      left: runs.reduce((sum, run) => sum + run.length, 0),
      runs: locateRuns(runs, this.#start + block * BLOCK, ranges, chunkBits),
    };
    return { kind: "chunks", block, chunkBits, ranges };
  }

  /** The next bytes of the file. The caller may reuse their memory at once. */
  write(bytes: Uint8Array): void {
    const file = this.#current;
    if (file === undefined || bytes.length > file.left) throw new Error("data outside of a file");
    file.left -= bytes.length;
    if (file.runs !== undefined) {
      this.#writeRuns(file, bytes, file.runs);
      return;
    }
    if (file.small !== undefined) file.small.set(bytes, file.position);
    else this.#data.append(file.position, bytes);
    file.position += bytes.length;
  }

  endFile(): void {
    const file = this.#current;
    if (file === undefined || file.left !== 0) throw new Error("a file ended early");
    this.#current = undefined;
    if (file.padding > 0) this.#data.zeros(file.position, file.padding);
  }

  /** Writes the small files that wait. Only between two files: the memory of an open one must not be given out again. */
  flushSmall(): void {
    this.#requireIdle();
    this.#data.flush();
    const base = this.#blocks * BLOCK;
    const { placed, blocks } = this.#small.place(this.#data, this.#start + base);
    this.#append(blocks);
    this.#onPlaced(placed.map((one) => ({ ...one, position: base + one.position })));
  }

  /** Writes all that is left. @returns the length of the data in blocks; the file itself may end earlier. */
  finish(): number {
    this.flushSmall();
    return this.#blocks;
  }

  #append(blocks: number): number {
    const block = this.#blocks;
    if (block + blocks > MAX_BLOCKS) {
      throw new SmolError("image.too_large", "the image does not fit in an EROFS filesystem (16 TiB)");
    }
    this.#blocks += blocks;
    return block;
  }

  #requireIdle(): void {
    if (this.#current !== undefined) throw new Error("a file was not ended");
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
  /** Bytes still to come. */
  left: number;
  /** Where the next byte goes: in the file that is written; in memory (`small`); in the present run (`runs`). */
  position: number;
  /** Zeros behind the data. */
  readonly padding: number;
  readonly small: Uint8Array | undefined;
  readonly runs: readonly LocatedRun[] | undefined;
  run: number;
}

const noFile: OpenFile = { left: 0, position: 0, padding: 0, small: undefined, runs: undefined, run: 0 };
