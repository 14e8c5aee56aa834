import { SmolError } from "../../errors.ts";
import { Transient } from "../http/index.ts";
import type { RegistryOptions } from "../types.ts";
import type { Session } from "./session.ts";

const MAX_DELAY_MS = 30_000;
/** Attempts in all, as a multiple of those without progress: a server that drips bytes cannot hold us forever. */
const MAX_TOTAL = 20;
/** Attempts at a host that does not exist, or where nothing has answered yet: most likely a spelling mistake. */
const ABSENT_ATTEMPTS = 2;

/** Decides how often and when a request is tried again. */
export class Patience {
  readonly #what: string;
  readonly #session: Session;
  readonly #options: RegistryOptions;
  readonly #attempts: number;
  #failures = 0;
  #total = 0;

  /** @param what for events: `manifest latest`. */
  constructor(what: string, session: Session, options: RegistryOptions) {
    this.#what = what;
    this.#session = session;
    this.#options = options;
    // After a mirror there is another one, or the origin, to ask.
    this.#attempts = session.endpoint.isMirror ? 1 : Math.max(1, options.attempts ?? 5);
  }

  /** Something was achieved: the count starts again. */
  progress(): void {
    this.#failures = 0;
  }

  /**
   * Waits before the next attempt, longer each time, not as long as others who failed at the same moment.
   *
   * @throws what cannot be helped by trying again, or was tried too often.
   */
  async afterFailure(failure: unknown, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (!(failure instanceof Transient)) throw failure;
    this.#failures += 1;
    this.#total += 1;
    const absent = failure.detail.absent === true && !this.#session.answered;
    const limit = absent ? Math.min(ABSENT_ATTEMPTS, this.#attempts) : this.#attempts;
    if (this.#failures >= limit || this.#total >= limit * MAX_TOTAL)
      throw exhausted(failure.error, this.#total);
    const backoff = Math.min((this.#options.backoffMs ?? 500) * 2 ** (this.#failures - 1), MAX_DELAY_MS);
    // What the server asks for is the least; it may ask for nothing at all.
    const delayMs = Math.round(Math.max(failure.detail.delayMs ?? 0, backoff * (0.5 + Math.random())));
    const reason = failure.error.message;
    this.#options.onRetry?.({ what: this.#what, attempt: this.#total, delayMs, reason });
    await sleep(delayMs, signal);
  }

  /** Tries until it works. */
  async run<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (failure) {
        await this.afterFailure(failure, signal);
      }
    }
  }
}

function exhausted(error: SmolError, total: number): SmolError {
  if (total === 1) return error;
  return new SmolError(error.code, `${error.message} (tried ${total} times)`, { hint: error.hint });
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const wake = () => resolve();
  const timer = setTimeout(wake, ms);
  signal?.addEventListener("abort", wake);
  if (signal?.aborted) wake();
  await promise;
  clearTimeout(timer);
  signal?.removeEventListener("abort", wake);
  signal?.throwIfAborted();
}
