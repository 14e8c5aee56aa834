import { ExitCode, SmolError } from "../../errors.ts";
import type { RunningProcess } from "../../machine/index.ts";
// Not the folder's face, which loads more.
import { exitCodeOf } from "../../protocol/messages.ts";
import { attach } from "./attach.ts";
import { Interrupted, type Interrupts } from "./interrupt.ts";
import { GuestNotes } from "./notes.ts";
import { OutputClosed } from "./output.ts";
import { type LocalTerminal, openTerminal } from "./terminal.ts";

export interface ForegroundOptions {
  /** Pass standard input on. */
  readonly interactive: boolean;
  /** Show the process's terminal on this one. */
  readonly tty: boolean;
  /** The process is ended, with exit code 124, when it runs longer; milliseconds from its start. */
  readonly timeoutMs?: number | undefined;
  readonly interrupts: Interrupts;
  /** Leave the process running when this one is told to end; default: it is told to end too. */
  readonly leave?: boolean | undefined;
  /** Memory of the machine, for what is said when it has run out; unknown here for a machine that runs already. */
  readonly memoryMib?: number | undefined;
  readonly onFirstOutput?: (() => void) | undefined;
}

/** As if by SIGPIPE. */
const OUTPUT_CLOSED_EXIT_CODE = 141;

/**
 * Shows a process of a machine as if it ran here. Besides its own output, the user is told on stderr, with one line
 * each, that the machine ran out of memory, or that the process, as the machine's first, asked the kernel to power off
 * or to restart.
 *
 * @returns the exit code for this process: the workload's own, 128 plus the number of the signal that ended it, or 0
 * when it powered off or restarted.
 * @throws SmolError when it could not be started, `run.timeout`, or `machine.lost`.
 */
export async function runInForeground(process: RunningProcess, options: ForegroundOptions): Promise<number> {
  const terminal = options.tty ? openTerminal({ keyboard: options.interactive }) : undefined;
  const limit = new TimeLimit(options.timeoutMs);
  const notes = new GuestNotes(options.memoryMib, terminal !== undefined);
  try {
    process.onEvent = (event) => notes.event(event);
    if (!options.leave) options.interrupts.forwardTo(process);
    process.started.then(
      () => limit.start(),
      () => {},
    );
    const attached = attach(process, attachOptions(options, terminal));
    const result = await Promise.race([attached, options.interrupts.expired, limit.expired]);
    notes.end(result);
    return exitCodeOf(result);
  } catch (error) {
    process.kill();
    if (error instanceof Interrupted) return error.exitCode;
    if (error instanceof OutputClosed) return OUTPUT_CLOSED_EXIT_CODE;
    throw error;
  } finally {
    limit.clear();
    terminal?.restore();
    await notes.flush();
  }
}

function attachOptions(options: ForegroundOptions, terminal: LocalTerminal | undefined) {
  return {
    stdin: options.interactive,
    terminal,
    onFirstOutput: options.onFirstOutput,
  };
}

/** Rejects `expired` a time after `start`. */
class TimeLimit {
  readonly expired: Promise<never>;
  readonly #milliseconds: number | undefined;
  readonly #expire: (error: Error) => void;
  #timer: Timer | undefined;

  constructor(milliseconds: number | undefined) {
    this.#milliseconds = milliseconds;
    const { promise, reject } = Promise.withResolvers<never>();
    this.expired = promise;
    this.expired.catch(() => {});
    this.#expire = reject;
  }

  start(): void {
    const milliseconds = this.#milliseconds;
    if (milliseconds === undefined) return;
    this.#timer = setTimeout(() => {
      const message = `the command timed out: it ran longer than ${milliseconds / 1000} s and was ended`;
      this.#expire(new SmolError("run.timeout", message, { exitCode: ExitCode.timeout }));
    }, milliseconds);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
