import { errnoOf, messageOf, SmolError } from "../../errors.ts";

/** What the system says when there is no room for a file. */
const NO_ROOM = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/**
 * Runs what writes files of a machine. What the system has against it becomes the error that users see; errors of our
 * own pass unchanged.
 *
 * @throws SmolError `machine.no_space`, `machine.unwritable`
 */
export function writing<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined || error instanceof SmolError) throw error;
    const hint = "point SMOLVM_DATA_DIR or XDG_DATA_HOME at a filesystem with room that you may write to";
    if (NO_ROOM.has(code))
      throw new SmolError("machine.no_space", `no space left to write ${path}`, { hint, cause: error });
    throw new SmolError("machine.unwritable", `cannot write ${path}: ${messageOf(error)}`, {
      hint,
      cause: error,
    });
  }
}
