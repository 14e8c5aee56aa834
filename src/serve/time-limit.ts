/**
 * How long a request may take. `AbortSignal.timeout` keeps what hangs on it until its time, minutes after a quick
 * answer: twenty MiB after some thousand requests.
 */
export class TimeLimit {
  readonly #over = new AbortController();
  readonly #timer: Timer | undefined;

  /** @param milliseconds undefined: as long as it takes */
  constructor(milliseconds: number | undefined) {
    if (milliseconds === undefined) return;
    const reason = new DOMException("the time of a request is over", "TimeoutError");
    this.#timer = setTimeout(() => this.#over.abort(reason), milliseconds);
  }

  /** Aborted with a `TimeoutError` when the time is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Ends what goes on, before its time. */
  abort(): void {
    this.#over.abort();
  }

  /** There is an answer. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
