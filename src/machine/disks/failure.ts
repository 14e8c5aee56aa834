import { errnoOf, messageOf, SmolError } from "../../errors.ts";

/** What the system says when there is no room for a file, or for one of its size. */
const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * Turns a failed operation on a machine's disk into the error that users see. Errors of our own, and whatever ended
 * it on purpose, pass unchanged.
 *
 * @param what e.g. `make the overlay disk`
 */
export function diskFailure(error: unknown, what: string, path: string): unknown {
  const code = errnoOf(error);
  if (code === undefined || error instanceof SmolError || isAbort(error)) return error;
  if (NO_ROOM.has(code)) return noSpace(what, path, error);
  return new SmolError("disk.unusable", `cannot ${what} ${path}: ${messageOf(error)}`, { cause: error });
}

export function noSpace(what: string, path: string, cause?: unknown): SmolError {
  return new SmolError("disk.no_space", `no space left to ${what} ${path}`, {
    hint: "free some space, or point SMOLVM_DATA_DIR or XDG_DATA_HOME at a larger filesystem",
    cause,
  });
}

/** What an AbortSignal without a reason throws has a code too: `ABORT_ERR`, a number in browsers' words. */
function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError");
}
