/**
 * Memory that many queues share. Each may have a part of what is free: one busy connection gets as much as it can use,
 * and however many there are, some is always left for the next (dynamic thresholds, Choudhury and Hahne 1998).
 */
export class Budget {
  readonly #total: number;
  readonly #most: number;
  #used = 0;
  readonly #waiting = new Set<() => void>();

  /** @param most bytes of one queue */
  constructor(total: number, most: number) {
    this.#total = total;
    this.#most = most;
  }

  get used(): number {
    return this.#used;
  }

  /** Bytes that one queue may have now. */
  get share(): number {
    return Math.min(this.#most, Math.max(0, (this.#total - this.#used) / 8));
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    if (this.#waiting.size === 0 || this.share < this.#most / 2) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const callback of waiting) callback();
  }

  /** Calls back once, when there is plenty: for whom nothing else wakes. */
  whenFree(callback: () => void): void {
    this.#waiting.add(callback);
  }
}
