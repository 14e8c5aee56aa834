import { deferred } from "./deferred.ts";

/** What waits for a reader that may be slow: so much of it, then the oldest is dropped, and counted. */
export class Backlog<T> {
  readonly #most: number;
  readonly #waiting: T[] = [];
  #dropped = 0;
  #isOver = false;
  #wake = deferred<void>();

  constructor(most: number) {
    this.#most = most;
  }

  push(item: T): void {
    this.#waiting.push(item);
    if (this.#waiting.length > this.#most) {
      this.#waiting.shift();
      this.#dropped++;
    }
    this.#wake.resolve();
  }

  /** There will be no more; what waits is still read. */
  end(): void {
    this.#isOver = true;
    this.#wake.resolve();
  }

  /** How many were dropped since this was asked for last. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Everything that comes, until the end. For one reader. */
  async *read(): AsyncGenerator<T, void, void> {
    for (;;) {
      for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) yield item;
      if (this.#isOver) return;
      await this.#wake.promise;
      this.#wake = deferred();
    }
  }
}
