import { isDebugging } from "../debug.ts";
import { ExitCode, messageOf, SmolError } from "../errors.ts";
import { complain, oneLine } from "./output.ts";

interface ReportOptions {
  /** Print the error as a JSON object. */
  readonly json: boolean;
  /** Exit code of an error that has none of its own. */
  readonly failureCode: number;
}

const REPORT_HINT =
  "this is a bug in smolvm: please report it with the output of SMOLVM_DEBUG=1 and `smolvm doctor`";

/**
 * Prints an error on stderr: `error: …` and `hint: …`, one line each, or with `--json` one object
 * `{"error":{"code","message","hint"}}`.
 *
 * @returns the exit code
 */
export function report(error: unknown, { json, failureCode }: ReportOptions): number {
  const known = error instanceof SmolError;
  const code = known ? error.code : "internal";
  const message = known ? oneLine(error.message) : `internal error: ${oneLine(messageOf(error))}`;
  const hint = known ? error.hint && oneLine(error.hint) : REPORT_HINT;
  if (json) {
    complain(JSON.stringify({ error: { code, message, ...(hint ? { hint } : {}) } }));
  } else {
    complain(known ? `error: ${message}` : message);
    if (hint) complain(`hint: ${hint}`);
  }
  if (isDebugging()) console.error(error);
  if (known && error.exitCode !== undefined) return error.exitCode;
  return failureCode === 0 ? ExitCode.failure : failureCode;
}
