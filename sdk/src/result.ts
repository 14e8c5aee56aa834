import { SmolvmError } from "./errors.ts";
import type { ExitStatus, SignalName } from "./types/index.ts";

/**
 * How a command ended, and what it printed.
 *
 * @example
 * const { ok, output } = await machine.run("uname -r");
 */
export class ExecResult implements ExitStatus {
  /** 128 and the signal's number for a command that a signal ended. */
  readonly exitCode: number;
  /** What ended it, if a signal did. */
  readonly signal: SignalName | null;
  /** Standard output, byte for byte. */
  readonly stdoutBytes: Uint8Array;
  /** Standard error, byte for byte. */
  readonly stderrBytes: Uint8Array;
  /** There was more output than is kept. */
  readonly truncated: boolean;
  /** From the call to the end of its output, in milliseconds. */
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

  /** As `stdout`. */
  get stderr(): string {
    return decoder.decode(this.stderrBytes);
  }

  /** Standard output without the white space around it. */
  get output(): string {
    return this.stdout.trim();
  }

  /**
   * The result itself, if the command did what it should.
   *
   * @example
   * const { output } = (await machine.exec(["git", "rev-parse", "HEAD"])).orThrow();
   * @throws CommandFailedError unless it is `ok`
   */
  orThrow(): this {
    if (!this.ok) throw new CommandFailedError(this.#command, this);
    return this;
  }

  /**
   * Standard output as JSON.
   *
   * @example
   * const { version } = (await machine.exec(["npm", "version", "--json"])).json<{ version: string }>();
   * @throws SyntaxError
   */
  json<T = unknown>(): T {
    return JSON.parse(this.stdout) as T;
  }
}

const decoder = new TextDecoder();

/**
 * A command has failed, and its caller wanted to hear of that as an error (`check`, `orThrow`).
 *
 * @example
 * try {
 *   await machine.exec(["make"], { check: true });
 * } catch (error) {
 *   if (error instanceof CommandFailedError) console.error(error.result.stderr);
 * }
 */
export class CommandFailedError extends SmolvmError {
  override name = "CommandFailedError";
  /** As it was given. */
  readonly command: readonly string[];
  /** How it ended, and what it printed. */
  readonly result: ExecResult;

  /** Thrown by `orThrow`. */
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
