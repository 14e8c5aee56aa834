import { errnoOf, messageOf, SmolError } from "../errors.ts";

/** A pack that is not as it was written, or was never one that this program would write. */
export function damaged(what: string, cause?: unknown): SmolError {
  return new SmolError("pack.damaged", `the pack is damaged: ${what} is not as it was written`, {
    hint: "get the file again; nothing of it was used",
    cause,
  });
}

export function notAPack(path: string): SmolError {
  return new SmolError("pack.not_a_pack", `${path} is no pack: it does not end in a SMOLPACK footer`, {
    hint: "smolvm pack create makes one; a .smolmachine file that was cut off has lost its footer",
  });
}

/** Versions up to 3 are those of the other program with this footer. */
export function unsupported(version: number): SmolError {
  const isUpstream = version < 16;
  return new SmolError(
    "pack.unsupported",
    isUpstream
      ? `this is a pack of format ${version}, which another program of the name smolvm makes`
      : `the pack has format ${version}, and this smolvm reads format 16`,
    {
      hint: isUpstream
        ? "pack its image again: smolvm pack create --image IMAGE -o OUT"
        : "a newer smolvm reads it",
    },
  );
}

/** Anything that a hostile pack asks too much of. */
export function beyond(what: string): SmolError {
  return new SmolError("pack.limit", `the pack has ${what}`);
}

/** What the system refuses while a pack is read. */
export function unreadable(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (code === undefined || error instanceof SmolError) return error;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new SmolError("pack.not_found", `sidecar file not found: ${path}`, { cause: error });
  }
  return new SmolError("pack.unreadable", `cannot read ${path}: ${code}`, { cause: error });
}

/** What the system refuses while a pack is written. */
export function unwritable(path: string, error: unknown): unknown {
  const code = errnoOf(error);
  if (code === undefined || error instanceof SmolError) return error;
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new SmolError("pack.no_space", `no room for ${path}`, {
      hint: "free some space, or name another place with -o",
      cause: error,
    });
  }
  return new SmolError("pack.unwritable", `cannot write ${path}: ${messageOf(error)}`, { cause: error });
}
