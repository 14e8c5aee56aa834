const FIRST_MS = 1000;
/** Linux's least; an emulated guest answers in a few milliseconds as a rule. */
const LEAST_MS = 200;
const MOST_MS = 60_000;

/** When a segment is taken for lost (RFC 6298). */
export class RetransmissionTimeout {
  #smoothed: number | undefined;
  #variation = 0;
  #timeout = FIRST_MS;

  /** Milliseconds. */
  get current(): number {
    return this.#timeout;
  }

  /** How long an acknowledgement has taken, of something that was sent once. */
  sample(milliseconds: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = milliseconds;
      this.#variation = milliseconds / 2;
    } else {
      this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - milliseconds);
      this.#smoothed = 0.875 * this.#smoothed + 0.125 * milliseconds;
    }
    this.reset();
  }

  /** Something arrived: what was lost is lost no more. */
  reset(): void {
    if (this.#smoothed === undefined) return;
    this.#timeout = Math.min(MOST_MS, Math.max(LEAST_MS, this.#smoothed + 4 * this.#variation));
  }

  /** Nothing came in time. */
  double(): void {
    this.#timeout = Math.min(MOST_MS, this.#timeout * 2);
  }
}
