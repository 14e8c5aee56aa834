import { messageOf } from "../../../errors.ts";
import type { HealthSpec, HealthState } from "../../model/index.ts";
import { type Clock, wasInterrupted } from "./clock.ts";

/** What one check has found. */
export interface CheckResult {
  readonly ok: boolean;
  /** What it printed; the guest's, and as hostile. */
  readonly output: string;
}

export interface HealthOptions {
  readonly spec: HealthSpec;
  readonly clock: Clock;
  /**
   * Runs the health command. When the signal is aborted, ends it with everything that it has started; settles when that
   * is done.
   */
  readonly check: (signal: AbortSignal) => Promise<CheckResult>;
  /**
   * Told after each check. `changed`: the status is another one, or it came one failure nearer to unhealthy. What else
   * is new, such as the time, is no reason to write it down. May call `start` and `stop`.
   */
  readonly onCheck: (state: HealthState, changed: boolean) => void;
}

/** The end of a check's output that is kept, in UTF-16 units: it is in the state that every `ls` reads. */
const MAX_OUTPUT = 1024;

/**
 * Checks again and again whether the workload is well. The first check is one interval after the start; each later one
 * an interval after the last has ended, so that two never run at the same time.
 */
export class HealthMonitor {
  readonly #options: HealthOptions;
  #state: HealthState;
  #startedAt = 0;
  /** From a start until it is stopped. */
  #run: AbortController | undefined;
  /** Of the check that runs. */
  #limit: AbortController | undefined;
  /** Ends the wait that the run is in. */
  #wake: (() => void) | undefined;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#state = this.#initial();
  }

  get state(): HealthState {
    return this.#state;
  }

  /** The workload has just been started, for the first time or again. */
  start(): void {
    this.stop();
    this.#state = this.#initial();
    this.#startedAt = this.#options.clock.elapsed();
    this.#run = new AbortController();
    void this.#watch(this.#run.signal);
  }

  /** The workload has ended, or is about to be: no more checks. A check that runs is ended, and not counted. */
  stop(): void {
    this.#run?.abort();
    this.#run = undefined;
    this.#limit?.abort();
    this.#wake?.();
  }

  #initial(): HealthState {
    return { status: "starting", failures: 0, output: "", at: this.#options.clock.date() };
  }

  async #watch(stopped: AbortSignal): Promise<void> {
    while (!stopped.aborted) {
      const { interrupted } = await this.#within(this.#options.spec.intervalMs);
      if (stopped.aborted) return;
      if (interrupted) this.#forgive();
      if (!stopped.aborted) await this.#check(stopped);
    }
  }

  /** One check, from its start until it has ended. */
  async #check(stopped: AbortSignal): Promise<void> {
    const { spec, check } = this.#options;
    const limit = new AbortController();
    this.#limit = limit;
    const ended = settledCheck(check, limit.signal);
    const { result, interrupted } = await this.#within(spec.timeoutMs, ended);
    if (stopped.aborted) return;
    if (result?.ok) this.#succeed(result.output);
    else if (interrupted) this.#forgive();
    else this.#fail(result?.output ?? `the check did not end within ${spec.timeoutMs / 1000} s`);
    if (result !== undefined) return;
    limit.abort();
    // A check that does not even end when it is killed fails as often as checks would.
    while (!stopped.aborted) {
      const late = await this.#within(spec.intervalMs, ended);
      if (stopped.aborted || late.result !== undefined) return;
      if (late.interrupted) this.#forgive();
      else this.#fail("the last check was killed and has not ended");
    }
  }

  /** Waits so many milliseconds for a check, or without one. Ends at once when it is stopped. */
  async #within(
    ms: number,
    ended?: Promise<CheckResult>,
  ): Promise<{ result: CheckResult | undefined; interrupted: boolean }> {
    const { clock } = this.#options;
    const from = clock.elapsed();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const cancel = clock.after(ms, () => resolve(undefined));
    const wake = () => {
      cancel();
      resolve(undefined);
    };
    this.#wake = wake;
    const result = await Promise.race(ended === undefined ? [promise] : [ended, promise]);
    cancel();
    if (this.#wake === wake) this.#wake = undefined;
    return { result, interrupted: wasInterrupted(ms, clock.elapsed() - from) };
  }

  #succeed(output: string): void {
    this.#become({ ...this.#state, status: "healthy", failures: 0 }, output);
  }

  #fail(output: string): void {
    const { spec, clock } = this.#options;
    const { status } = this.#state;
    const isGrace = status === "starting" && clock.elapsed() - this.#startedAt < spec.startupGraceMs;
    const failures = isGrace ? 0 : this.#state.failures + 1;
    this.#become(
      { ...this.#state, status: failures >= spec.retries ? "unhealthy" : status, failures },
      output,
    );
  }

  /** Failures from before a sleep of the host say nothing about the time after it. */
  #forgive(): void {
    if (this.#state.failures > 0) this.#become({ ...this.#state, failures: 0 }, this.#state.output);
  }

  #become(state: HealthState, output: string): void {
    const { clock, spec, onCheck } = this.#options;
    const before = this.#state;
    this.#state = { ...state, output: endOf(output), at: clock.date() };
    const counted = (failures: number) => Math.min(failures, spec.retries);
    const changed = before.status !== state.status || counted(before.failures) !== counted(state.failures);
    onCheck(this.#state, changed);
  }
}

async function settledCheck(check: HealthOptions["check"], signal: AbortSignal): Promise<CheckResult> {
  try {
    return await check(signal);
  } catch (error) {
    return { ok: false, output: messageOf(error) };
  }
}

/** Without the half of a character at the cut. */
function endOf(output: string): string {
  return output.length <= MAX_OUTPUT ? output : output.slice(-MAX_OUTPUT).replace(/^[\udc00-\udfff]/, "");
}
