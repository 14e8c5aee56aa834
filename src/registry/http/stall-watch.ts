/** Tells when a wait takes too long, with one timer for a great many short waits. */
export class StallWatch {
  readonly #ms: number;
  readonly #onStall: () => void;
  /** When the present wait began. */
  #since = Number.POSITIVE_INFINITY;
  #timer: Timer | undefined;

  /** @param ms how long one wait may take. @param onStall called once, when one took longer. */
  constructor(ms: number, onStall: () => void) {
    this.#ms = ms;
    this.#onStall = onStall;
  }

  begin(): void {
    this.#since = performance.now();
    this.#timer ??= setTimeout(() => this.#look(), this.#ms);
  }

  pause(): void {
    this.#since = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#since === Number.POSITIVE_INFINITY) return;
    const left = this.#since + this.#ms - performance.now();
    if (left > 0) this.#timer = setTimeout(() => this.#look(), left);
    else this.#onStall();
  }
}
