import { ExitCode, SmolError } from "../../errors.ts";
import { StreamFailure } from "../../protocol/index.ts";

/** What a stream's end by an error means to the user. */
export function toSmolError(error: unknown): SmolError {
  if (error instanceof SmolError) return error;
  if (!(error instanceof StreamFailure)) {
    return new SmolError("machine.lost", "the machine ended unexpectedly", {
      cause: error,
    });
  }
  const exitCode = exitCodes[error.code];
  return new SmolError(error.code, error.message, {
    hint: error.hint,
    exitCode,
  });
}

/** The exit codes of shells and container runtimes for commands that cannot be started. */
const exitCodes: Record<string, number> = {
  "exec.not_found": ExitCode.notFound,
  "exec.not_executable": ExitCode.notExecutable,
};

/** For a machine whose process should have been gone long ago. */
export const stuck = (name: string): SmolError =>
  new SmolError("machine.stuck", `the process of machine '${name}' does not end`, {
    hint: "its pid is in `smolvm machine status --json`; the machine's files are left as they are",
  });
