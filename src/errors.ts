/**
 * The one error type that users see. Everything else that is thrown is a bug and is printed as one.
 *
 * Wording: lower case, one line, what failed, on what, and why; `hint` says what to do about it.
 */

/** Exit codes of our own failures; a workload's code is passed through unchanged (see docs/design.md). */
export const ExitCode = {
  /** Any failure that has no code of its own. */
  failure: 1,
  /** Wrong arguments. */
  usage: 2,
  /** The workload ran longer than `--timeout`. */
  timeout: 124,
  /** smolvm itself failed (`machine run`, `exec`): before the workload ran, or it lost the machine. */
  beforeCommand: 125,
  /** The command exists in the guest and cannot be executed. */
  notExecutable: 126,
  /** The command does not exist in the guest. */
  notFound: 127,
} as const;

export interface SmolErrorOptions {
  /** What the user can do about it: one sentence, or a command to run. */
  readonly hint?: string | undefined;
  /** Overrides the exit code that the command would otherwise choose. */
  readonly exitCode?: number | undefined;
  readonly cause?: unknown;
}

export class SmolError extends Error {
  /** Stable and machine-readable, e.g. `image.digest_mismatch`: `area.what`, documented in docs/errors.md. */
  readonly code: string;
  readonly hint: string | undefined;
  readonly exitCode: number | undefined;

  constructor(code: string, message: string, options: SmolErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SmolError";
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode;
  }
}

/** The errno name (`ENOENT`) of a system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
