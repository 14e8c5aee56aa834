import { endsWithin } from "../../within.ts";
import { INTERRUPTS, Interrupted } from "../interrupted.ts";

export { Interrupted };

/** How long a workload may take to end by itself after a signal, in milliseconds. A second signal waits no longer. */
const GRACE_MS = 2000;

/** Lets work that was given up put its things away, such as the locks of a pull; it may not take for ever. */
export async function settled(work: Promise<unknown>): Promise<void> {
  await endsWithin(work, GRACE_MS);
}

/** Something that takes the number of a signal. */
interface Signalled {
  signal(number: number): void;
}

/**
 * Turns signals to this process into signals to the workload. Until there is a workload, or when it does not end in
 * time, or at the second signal, `expired` rejects with Interrupted.
 */
export class Interrupts {
  /** Never resolves. */
  readonly expired: Promise<never>;
  readonly #abort = new AbortController();
  readonly #expire: (error: Interrupted) => void;
  readonly #handlers = INTERRUPTS.map((signal) => [signal, () => this.#handle(signal)] as const);
  #workload: Signalled | undefined;
  #signalled = false;

  constructor() {
    const { promise, reject } = Promise.withResolvers<never>();
    this.expired = promise;
    this.expired.catch(() => {});
    this.#expire = (error) => {
      this.#abort.abort(error);
      reject(error);
    };
    for (const [signal, handler] of this.#handlers) process.on(signal, handler);
  }

  /** From now on the signals do what they do in a process that does not care. */
  release(): void {
    for (const [signal, handler] of this.#handlers) process.off(signal, handler);
  }

  /** Aborted when `expired` rejects: for work that can be given up. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** From now on signals go to this process of a machine. */
  forwardTo(workload: Signalled): void {
    this.#workload = workload;
  }

  #handle(signal: (typeof INTERRUPTS)[number]): void {
    const error = new Interrupted(signal);
    if (this.#workload === undefined || this.#signalled) {
      this.#expire(error);
      return;
    }
    this.#signalled = true;
    this.#workload.signal(error.signalNumber);
    setTimeout(() => this.#expire(error), GRACE_MS);
  }
}
