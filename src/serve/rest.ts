/** Gives memory back once nobody has asked for a while: a server that waits for months is a small one. */

/** Without a request, in milliseconds: longer than the pauses of a client at work, so that few requests meet this. */
const REST_MS = 5_000;

export class Rest {
  readonly #giveBack: () => void;
  readonly #afterMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(giveBack: () => void = giveMemoryBack, afterMs = REST_MS) {
    this.#giveBack = giveBack;
    this.#afterMs = afterMs;
  }

  /** A request has begun. */
  interrupt(): void {
    clearTimeout(this.#timer);
  }

  /** All requests have their answers. */
  begin(): void {
    this.interrupt();
    this.#timer = setTimeout(this.#giveBack, this.#afterMs);
    // No reason to live on.
    this.#timer.unref();
  }
}

/** What nobody refers to any more and compiled code go back to the host; by itself the runtime keeps them for long. */
function giveMemoryBack(): void {
  Bun.gc(true);
  Bun.shrink();
}
