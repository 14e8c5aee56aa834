import { ExitCode, SmolError } from "../errors.ts";
import { checkExecEvent, type ExecRequest, type ExecResult, type Stream } from "../protocol/index.ts";
import { attach, type LocalTerminal, OutputClosed, openTerminal } from "../stdio/index.ts";
import { toSmolError } from "./client.ts";
import { Interrupted, type Interrupts } from "./interrupt.ts";
import { GuestNotes } from "./notes.ts";

export interface ForegroundOptions {
  readonly interactive: boolean;
  readonly tty: boolean;
  /** The process is ended, with exit code 124, when it runs longer; milliseconds from its start. */
  readonly timeoutMs: number | undefined;
  readonly interrupts: Interrupts;
  /** Memory of the machine, for what is said when it has run out. */
  readonly memoryMib: number;
  readonly onFirstOutput?: (() => void) | undefined;
}

/** As if by SIGPIPE. */
const OUTPUT_CLOSED_EXIT_CODE = 141;

/**
 * Runs a process of a machine in the foreground of this one.
 *
 * @param open starts it
 * What the user should know beside the process's own output is one line on stderr each: that the machine ran out of
 * memory, or that the process, as the machine's first, asked the kernel to power off or to restart.
 *
 * @returns the exit code for this process: the workload's own, 128 plus the number of the signal that ended it, or 0
 * when it powered off or restarted.
 * @throws SmolError when it could not be started, `run.timeout`, or `machine.lost`.
 */
export async function runInForeground(
  request: Omit<ExecRequest, "tty">,
  open: (request: ExecRequest) => Promise<Stream>,
  options: ForegroundOptions,
): Promise<number> {
  const terminal = options.tty ? openTerminal({ keyboard: options.interactive }) : undefined;
  let stream: Stream | undefined;
  const limit = new TimeLimit(options.timeoutMs);
  const notes = new GuestNotes(options.memoryMib, terminal !== undefined);
  try {
    stream = await open(terminal === undefined ? request : { ...request, tty: terminal.size });
    stream.onEvent = (message) => notes.event(checkExecEvent(message));
    options.interrupts.forwardTo(stream);
    stream.accepted.then(
      () => limit.start(),
      () => {},
    );
    const attached = attach(stream, attachOptions(options, terminal));
    const result = await Promise.race([attached, options.interrupts.expired, limit.expired]);
    notes.end(result);
    return exitCodeOf(result);
  } catch (error) {
    stream?.cancel();
    if (error instanceof Interrupted) return error.exitCode;
    if (error instanceof OutputClosed) return OUTPUT_CLOSED_EXIT_CODE;
    throw toSmolError(error);
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

function exitCodeOf(result: ExecResult): number {
  if ("halted" in result) return 0;
  return "exitCode" in result ? result.exitCode : 128 + result.signal;
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
