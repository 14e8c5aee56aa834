import { BLOCK, SLOT } from "./format.ts";

const SLOTS = BLOCK / SLOT;

/**
 * Gives out places for inodes, with what stands behind them, in a run of blocks whose own place is not known yet.
 * Each goes into the block where it leaves the least room over (best fit), so that tails of any size pack well.
 */
export class InodePlacer {
  #blocks = 0;
  /** Blocks with room, by the number of free slots at their end; the last one is taken first. */
  readonly #open: number[][] = Array.from({ length: SLOTS }, () => []);

  /** Blocks in use so far. */
  get blocks(): number {
    return this.#blocks;
  }

  /**
   * Takes `size` bytes inside one block; more than a block, from the start of one.
   *
   * @returns the offset in bytes, a multiple of 32.
   */
  place(size: number): number {
    const slots = Math.ceil(size / SLOT);
    for (let free = slots; free < SLOTS; free++) {
      const block = this.#open[free]?.pop();
      if (block === undefined) continue;
      if (free > slots) this.#open[free - slots]?.push(block);
      return (block + 1) * BLOCK - free * SLOT;
    }
    const first = this.#blocks;
    this.#blocks += Math.ceil(slots / SLOTS);
    const left = (this.#blocks - first) * SLOTS - slots;
    if (left > 0) this.#open[left]?.push(this.#blocks - 1);
    return first * BLOCK;
  }
}
