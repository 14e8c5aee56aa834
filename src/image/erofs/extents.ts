import { SmolError } from "../../errors.ts";
import { MAX_BLOCKS } from "./format.ts";

export interface Extent {
  readonly block: number;
  readonly blocks: number;
}

/** How many runs of a list are looked at. */
const LOOK = 16;

/** Rounded down; for whole numbers from 1 to 2^32 - 1. */
const log2 = (value: number) => 31 - Math.clz32(value);

/**
 * Hands out runs of blocks, at the end of the image or out of what replaced files have left behind.
 *
 * Free runs are kept in one list for each power of two. A request takes one of the last runs of its own list, or the
 * last of the next list, whose runs are all long enough: constant time, whatever a hostile image does, and the same
 * result in every run.
 * Free neighbours are not merged; `remaining` goes to a hole punch at the end, so that they cost no disk space.
 */
export class BlockAllocator {
  #end: number;
  readonly #free: Extent[][] = Array.from({ length: 33 }, () => []);

  /** @param first number of the first block that may be handed out. */
  constructor(first: number) {
    this.#end = first;
  }

  /** The number of blocks of the image so far. */
  get end(): number {
    return this.#end;
  }

  allocate(blocks: number): number {
    const extent = this.#takeSimilar(blocks) ?? this.#takeLarger(blocks);
    if (extent === undefined) return this.append(blocks);
    this.release(extent.block + blocks, extent.blocks - blocks);
    return extent.block;
  }

  /** Blocks that were never written: they read as zeros until they are. */
  append(blocks: number): number {
    const block = this.#end;
    if (block + blocks > MAX_BLOCKS) {
      throw new SmolError("image.too_large", "the image does not fit in an EROFS filesystem (16 TiB)");
    }
    this.#end += blocks;
    return block;
  }

  /** One of the last few runs in the list where some are long enough: often a file replaces one of its own size. */
  #takeSimilar(blocks: number): Extent | undefined {
    const list = this.#free[log2(blocks)] ?? [];
    for (let index = list.length - 1; index >= Math.max(0, list.length - LOOK); index--) {
      const extent = list[index];
      if (extent === undefined || extent.blocks < blocks) continue;
      list.splice(index, 1);
      return extent;
    }
    return undefined;
  }

  #takeLarger(blocks: number): Extent | undefined {
    for (let size = log2(blocks) + 1; size < this.#free.length; size++) {
      const extent = this.#free[size]?.pop();
      if (extent !== undefined) return extent;
    }
    return undefined;
  }

  release(block: number, blocks: number): void {
    if (blocks > 0) this.#free[log2(blocks)]?.push({ block, blocks });
  }

  /** All runs that were released and not handed out again. */
  remaining(): Extent[] {
    return this.#free.flat();
  }
}
