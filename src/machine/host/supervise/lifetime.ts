import type { MachineSpec } from "../../model/index.ts";
import { type Cancel, type Clock, setAlarm } from "./clock.ts";

export interface LifetimeOptions extends Pick<MachineSpec, "ttlMs" | "idleTimeoutMs"> {
  readonly clock: Clock;
  /** The machine is to end; told once. */
  readonly onEnd: (why: "ttl" | "idle") => void;
}

/**
 * When a machine ends by itself. The times are those of a clock on the wall: what the host sleeps counts.
 *
 * Idle is a machine in which nobody runs a command and to or from which nobody moves bytes. Its own workload does not
 * count, nor what that writes to its log: a server without clients is idle, however much it logs.
 */
export class Lifetime {
  readonly #options: LifetimeOptions;
  #running = 0;
  #activeAt = 0;
  #ttl: { at: number; cancel: Cancel } | undefined;
  /** Set while the machine could become idle. */
  #idle: Cancel | undefined;
  #state: "new" | "started" | "over" = "new";

  constructor(options: LifetimeOptions) {
    this.#options = options;
  }

  /** Somebody has started the machine. Restarts by its policy do not prolong its life. */
  start(): void {
    if (this.#state !== "new") return;
    this.#state = "started";
    const { clock, ttlMs } = this.#options;
    this.#activeAt = clock.elapsed();
    if (ttlMs !== null) {
      const at = this.#activeAt + ttlMs;
      this.#ttl = { at, cancel: setAlarm(clock, at, () => this.#end("ttl")) };
    }
    this.#watch();
  }

  /** Bytes were moved: over a stream that somebody is attached to, or a connection to the machine. Cheap. */
  touch(): void {
    this.#activeAt = this.#options.clock.elapsed();
  }

  /** A command runs, until what is returned is called; more than once does no harm. */
  begin(): () => void {
    this.#running++;
    this.#idle?.();
    this.#idle = undefined;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      this.#running--;
      this.touch();
      this.#watch();
    };
  }

  /** The machine ends for another reason: nothing is told any more. */
  stop(): void {
    this.#state = "over";
    this.#ttl?.cancel();
    this.#idle?.();
    this.#ttl = undefined;
    this.#idle = undefined;
  }

  /** Milliseconds since the epoch; null: no such time. */
  get ttlAt(): number | null {
    return this.#ttl === undefined ? null : this.#dateOf(this.#ttl.at);
  }

  /** As things stand; null also while a command runs. */
  get idleAt(): number | null {
    const { idleTimeoutMs } = this.#options;
    return this.#idle === undefined || idleTimeoutMs === null
      ? null
      : this.#dateOf(this.#activeAt + idleTimeoutMs);
  }

  #dateOf(elapsed: number): number {
    const { clock } = this.#options;
    return Math.round(clock.date() + elapsed - clock.elapsed());
  }

  #watch(): void {
    const { clock, idleTimeoutMs } = this.#options;
    if (this.#state !== "started" || idleTimeoutMs === null || this.#running > 0) return;
    this.#idle = setAlarm(clock, this.#activeAt + idleTimeoutMs, () => {
      if (clock.elapsed() < this.#activeAt + idleTimeoutMs) this.#watch();
      else this.#end("idle");
    });
  }

  #end(why: "ttl" | "idle"): void {
    this.stop();
    this.#options.onEnd(why);
  }
}
