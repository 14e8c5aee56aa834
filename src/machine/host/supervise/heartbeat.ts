import { type Cancel, type Clock, wasInterrupted } from "./clock.ts";

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Asks the agent something that it answers at once; may stay without an answer for ever. */
  readonly ping: () => Promise<unknown>;
  /** The agent is taken for dead; told once for each start. @param silentMs since its last sign of life */
  readonly onLost: (silentMs: number) => void;
  readonly intervalMs?: number | undefined;
  readonly misses?: number | undefined;
}

/**
 * Three beats without a sign of life: 90 to 120 seconds, in which the host was awake. A VM that ends is noticed at once, by its
 * process; this is for a guest that hangs, where a false alarm costs a healthy machine and a late one only patience.
 * The agent has priority over the workload and is never killed for lack of memory, so that it answers within
 * milliseconds on hardware; under emulation, beside twenty other guests, whole boots have taken half a minute.
 */
const INTERVAL_MS = 30_000;
const MISSES = 3;

/** Asks a guest's agent now and then whether it is still there. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #intervalMs: number;
  readonly #misses: number;
  #cancel: Cancel | undefined;
  /** Changes with each start: answers to an earlier one do not count. */
  #run: object | undefined;
  #asked = false;
  /** Since the last beat. */
  #heard = false;
  #heardAt = 0;
  #missed = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs ?? INTERVAL_MS;
    this.#misses = options.misses ?? MISSES;
  }

  /** The agent has said hello, or a paused VM runs again. */
  start(): void {
    this.stop();
    this.#run = {};
    this.#asked = false;
    this.#missed = 0;
    this.heard();
    this.#ask();
    this.#wait();
  }

  /** The VM ends, or is paused. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#run = undefined;
  }

  /** Whatever the agent says is a sign of life; cheap. */
  heard(): void {
    this.#heard = true;
    this.#heardAt = this.#options.clock.elapsed();
  }

  #wait(): void {
    const { clock } = this.#options;
    const from = clock.elapsed();
    this.#cancel = clock.after(this.#intervalMs, () => this.#beat(clock.elapsed() - from));
  }

  #beat(tookMs: number): void {
    // The guest slept with its host.
    if (this.#heard || wasInterrupted(this.#intervalMs, tookMs)) this.#missed = 0;
    else this.#missed++;
    if (this.#missed >= this.#misses) {
      this.stop();
      this.#options.onLost(this.#options.clock.elapsed() - this.#heardAt);
      return;
    }
    this.#heard = false;
    this.#ask();
    this.#wait();
  }

  /** Not before the last question is answered: an agent that hangs gets no heap of them. */
  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    const run = this.#run;
    const answered = (alive: boolean) => {
      if (this.#run !== run) return;
      this.#asked = false;
      if (alive) this.heard();
    };
    this.#options.ping().then(
      () => answered(true),
      () => answered(false),
    );
  }
}
