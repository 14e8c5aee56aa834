import type { Guest, GuestExec, GuestProcess } from "../../guest/index.ts";
import { Channel, type ExecResult } from "../../protocol/index.ts";
import { endsWithin } from "../../within.ts";
import type { WorkloadEnd, WorkloadState } from "../model/index.ts";

export interface WorkloadEvents {
  /** Gets what it prints; what is returned holds it back. */
  onOutput(channel: typeof Channel.stdout | typeof Channel.stderr, chunk: Uint8Array): Promise<void> | void;
  /** It has started, or ended. */
  onChange(state: WorkloadState): void;
}

/** The command of a lasting machine, while it runs and after its end. */
export class Workload {
  /** Resolves when it has ended and its output has been passed on; never rejects. */
  readonly ended: Promise<WorkloadEnd>;
  readonly #process: GuestProcess;
  readonly #events: WorkloadEvents;
  #state: WorkloadState;
  #outOfMemory = false;

  private constructor(process: GuestProcess, argv: readonly string[], events: WorkloadEvents) {
    this.#process = process;
    this.#events = events;
    this.#state = { argv: [...argv], startedAt: Date.now(), end: null };
    this.ended = this.#follow();
  }

  /**
   * Starts it; resolves when its program runs.
   *
   * @throws StreamFailure when it cannot be started
   */
  static async start(guest: Guest, exec: GuestExec, events: WorkloadEvents): Promise<Workload> {
    const process = guest.exec(exec);
    await process.accepted;
    return new Workload(process, exec.argv, events);
  }

  get state(): WorkloadState {
    return this.#state;
  }

  /** For its end: the kernel has killed processes of the machine. */
  noteOutOfMemory(): void {
    this.#outOfMemory = true;
  }

  signal(number: number): void {
    this.#process.signal(number);
  }

  /**
   * Asks it to end, and ends it with all its processes when it takes too long.
   *
   * @param limitMs milliseconds
   */
  async stop(signal: number, limitMs: number): Promise<WorkloadEnd> {
    if (this.#state.end === null) {
      this.#process.signal(signal);
      if (!(await endsWithin(this.ended, limitMs))) this.#process.cancel();
    }
    return await this.ended;
  }

  async #follow(): Promise<WorkloadEnd> {
    this.#events.onChange(this.#state);
    const outputs = ([Channel.stdout, Channel.stderr] as const).map((channel) => this.#pass(channel));
    const result = await this.#process.result.catch(() => undefined);
    await Promise.allSettled(outputs);
    const end: WorkloadEnd = { ...how(result), outOfMemory: this.#outOfMemory, at: Date.now() };
    this.#state = { ...this.#state, end };
    this.#events.onChange(this.#state);
    return end;
  }

  async #pass(channel: typeof Channel.stdout | typeof Channel.stderr): Promise<void> {
    for await (const chunk of this.#process.read(channel)) await this.#events.onOutput(channel, chunk);
  }
}

/** Undefined: the machine was lost under it. */
function how(result: ExecResult | undefined): Pick<WorkloadEnd, "exitCode" | "signal"> {
  if (result === undefined) return { exitCode: null, signal: null };
  if ("exitCode" in result) return { exitCode: result.exitCode, signal: null };
  if ("signal" in result) return { exitCode: null, signal: result.signal };
  return { exitCode: 0, signal: null };
}
