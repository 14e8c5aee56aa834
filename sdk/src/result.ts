import { SmolvmError } from "./errors.ts";
import type { ExitStatus, SignalName } from "./types.ts";

/**
 * How a command ended, and what it printed.
 *
 * @example
 * const { ok, output } = await machine.run("uname -r");
 */
export class ExecResult implements ExitStatus {
  readonly exitCode: number;
  readonly signal: SignalName | null;
  readonly stdoutBytes: Uint8Array;
  readonly stderrBytes: Uint8Array;
  /** There was more output than is kept. */
  readonly truncated: boolean;
  readonly durationMs: number;
  readonly #command: readonly string[];

  /** @internal */
  constructor(
    command: readonly string[],
    status: ExitStatus,
    output: {
      readonly stdout: Uint8Array;
      readonly stderr: Uint8Array;
      readonly truncated: boolean;
      readonly durationMs: number;
    },
  ) {
    this.#command = command;
    this.exitCode = status.exitCode;
    this.signal = status.signal;
    this.stdoutBytes = output.stdout;
    this.stderrBytes = output.stderr;
    this.truncated = output.truncated;
    this.durationMs = output.durationMs;
  }

  /** The exit code is 0. */
  get ok(): boolean {
    return this.exitCode === 0;
  }

  /** UTF-8, with U+FFFD for what is none. */
  get stdout(): string {
    return decoder.decode(this.stdoutBytes);
  }

  get stderr(): string {
    return decoder.decode(this.stderrBytes);
  }

  /** Standard output without the white space around it. */
  get output(): string {
    return this.stdout.trim();
  }

  /** @throws CommandFailedError unless it is `ok` */
  orThrow(): this {
    if (!this.ok) throw new CommandFailedError(this.#command, this);
    return this;
  }

  /** Standard output as JSON. @throws SyntaxError */
  json<T = unknown>(): T {
    return JSON.parse(this.stdout) as T;
  }
}

const decoder = new TextDecoder();

/** A command has failed, and its caller wanted to hear of that as an error (`check`, `orThrow`). */
export class CommandFailedError extends SmolvmError {
  override name = "CommandFailedError";
  readonly command: readonly string[];
  readonly result: ExecResult;

  constructor(command: readonly string[], result: ExecResult) {
    const how = result.signal === null ? `with exit code ${result.exitCode}` : `by ${result.signal}`;
    const last = result.stderr.trimEnd().split("\n").at(-1) ?? "";
    super({
      code: "sdk.command_failed",
      message: `${JSON.stringify(command[0] ?? "")} ended ${how}${last === "" ? "" : `: ${last}`}`,
      details: { exitCode: result.exitCode },
    });
    this.command = command;
    this.result = result;
  }
}
