/**
 * A deadline that moves often: setting it again costs nothing but a comparison. One timer of the runtime's is under way
 * at most, and looks, when it fires, whether the deadline is later by now.
 */
export class Deadline {
  readonly #action: () => void;
  #at = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = 0;

  constructor(action: () => void) {
    this.#action = action;
  }

  get isSet(): boolean {
    return this.#at !== 0;
  }

  /** Replaces the deadline. */
  set(milliseconds: number): void {
    this.#at = performance.now() + milliseconds;
    if (this.#timer !== undefined && this.#timerAt <= this.#at) return;
    clearTimeout(this.#timer);
    this.#arm(milliseconds);
  }

  /** The runtime's timer stays: it is likely to be wanted again, and does nothing else. */
  clear(): void {
    this.#at = 0;
  }

  /** For good. */
  stop(): void {
    this.#at = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(milliseconds: number): void {
    this.#timerAt = performance.now() + milliseconds;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#at === 0) return;
      const left = this.#at - performance.now();
      if (left > 1) {
        this.#arm(left);
        return;
      }
      this.#at = 0;
      this.#action();
    }, milliseconds);
    this.#timer.unref();
  }
}
