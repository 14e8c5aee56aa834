import type { RestartSpec } from "../../model/index.ts";
import { type Cancel, type Clock, setAlarm } from "./clock.ts";
import { decideRestart, type Ending, type RestartDecision } from "./restart.ts";

export interface RestarterOptions {
  readonly spec: RestartSpec;
  readonly clock: Clock;
  /** The workload has a health check: only from `healthy()` on it is known to run well. */
  readonly hasHealth: boolean;
  /** Starts it again. Afterwards comes `started()`, or `ended()` when that failed. */
  readonly restart: (what: "workload" | "machine") => void;
}

type Restart = RestartDecision & { readonly kind: "restart" };

/** A restart that is due, at a moment of `elapsed()`. */
interface Pending {
  readonly decision: Restart;
  what: Restart["what"];
  readonly at: number;
  readonly cancel: Cancel;
}

/** Carries out a machine's restart policy, from one start by its user to the end of its process. */
export class Restarter {
  readonly #options: RestarterOptions;
  #restarts = 0;
  #inRow = 0;
  /** Since when it runs well, and until when that is known; in elapsed milliseconds. */
  #well: { since: number; until: number } | undefined;
  #pending: Pending | undefined;
  /** Set once nothing is to be started any more. */
  #given: RestartDecision | undefined;

  constructor(options: RestarterOptions) {
    this.#options = options;
  }

  /** Restarts so far. */
  get restarts(): number {
    return this.#restarts;
  }

  /** When the next restart is, in milliseconds since the epoch; null when none is due. */
  get dueAt(): number | null {
    if (this.#pending === undefined) return null;
    const { clock } = this.#options;
    return Math.round(clock.date() + Math.max(0, this.#pending.at - clock.elapsed()));
  }

  /** The workload runs now, or the machine that has none. */
  started(): void {
    this.#well = this.#options.hasHealth ? undefined : this.#now();
  }

  /** A health check has succeeded. */
  healthy(): void {
    const now = this.#now();
    this.#well = { since: this.#well?.since ?? now.since, until: now.until };
  }

  /**
   * Something has ended, or is not well. While a restart is due, what else ends changes nothing but that it has to be
   * the whole machine; and what was given up stays given up, so that a job that has ended well is not run once more
   * because its machine is lost later.
   */
  ended(ending: Ending): RestartDecision {
    if (ending.kind === "stopped") this.#cancel();
    if (this.#given !== undefined) return this.#given;
    if (this.#pending !== undefined) {
      if (ending.kind === "machine" || ending.kind === "halted") this.#pending.what = "machine";
      return { ...this.#pending.decision, what: this.#pending.what };
    }
    const decision = decideRestart(
      this.#options.spec,
      { inRow: this.#inRow, wellMs: this.#wellMs(ending) },
      ending,
    );
    if (decision.kind === "restart") this.#schedule(decision);
    // What is unhealthy still runs, and may end later.
    else if (ending.kind !== "unhealthy") this.#given = decision;
    return decision;
  }

  #schedule(decision: Restart): void {
    const { clock, restart } = this.#options;
    this.#inRow = decision.inRow;
    this.#well = undefined;
    const at = clock.elapsed() + decision.afterMs;
    const cancel = setAlarm(clock, at, () => {
      const what = this.#pending?.what ?? decision.what;
      this.#pending = undefined;
      this.#restarts++;
      restart(what);
    });
    this.#pending = { decision, what: decision.what, at, cancel };
  }

  #cancel(): void {
    this.#pending?.cancel();
    this.#pending = undefined;
  }

  #wellMs(ending: Ending): number {
    if (this.#well === undefined) return 0;
    const { since, until } = this.#well;
    if (ending.kind === "unhealthy") return Math.max(0, until - since);
    const silentMs = ending.kind === "machine" ? (ending.silentMs ?? 0) : 0;
    return Math.max(0, this.#options.clock.elapsed() - silentMs - since);
  }

  #now() {
    const now = this.#options.clock.elapsed();
    return { since: now, until: now };
  }
}
