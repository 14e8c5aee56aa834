/** Those whom a process waits for when they read slowly, by a mark that each has chosen. */
export class Holds {
  readonly #lingerMs: number;
  readonly #byMark = new Map<string, Hold>();

  /** @param lingerMs how long a process waits for somebody who has gone without notice */
  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs;
  }

  get isEmpty(): boolean {
    return this.#byMark.size === 0;
  }

  /**
   * A new hold; one of the same mark ends.
   *
   * @param onEnd called once, when it ends for whatever reason
   */
  take(mark: string, onEnd: () => void): Hold {
    this.#byMark.get(mark)?.end();
    const hold = new Hold(this.#lingerMs, () => {
      if (this.#byMark.get(mark) === hold) this.#byMark.delete(mark);
      onEnd();
    });
    this.#byMark.set(mark, hold);
    return hold;
  }
}

export class Hold {
  readonly #lingerMs: number;
  readonly #onEnd: () => void;
  #ended = false;
  #timer: Timer | undefined;

  constructor(lingerMs: number, onEnd: () => void) {
    this.#lingerMs = lingerMs;
    this.#onEnd = onEnd;
  }

  /** Ends after a while, unless it is taken over before. */
  linger(): void {
    if (this.#ended) return;
    this.#timer = setTimeout(() => this.end(), this.#lingerMs);
    // The machine's process has other reasons to live.
    this.#timer.unref();
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#onEnd();
  }
}
