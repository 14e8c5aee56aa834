import { errnoOf, messageOf, SmolError } from "../errors.ts";

/** Turns a failed file operation in the cache into the error that users see. Errors of our own pass unchanged. */
export function cacheError(error: unknown, directory: string): SmolError {
  if (error instanceof SmolError) return error;
  const code = errnoOf(error);
  const hint = "point XDG_CACHE_HOME or SMOLVM_DATA_DIR at a directory that has room and may be written";
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    return new SmolError("assets.no_space", `no space to unpack smolvm's own files in ${directory}`, {
      hint,
      cause: error,
    });
  }
  if (code === "EACCES" || code === "EROFS" || code === "EPERM" || code === "ENOTDIR") {
    return new SmolError("assets.cache_unwritable", `the cache directory cannot be written: ${directory}`, {
      hint,
      cause: error,
    });
  }
  return new SmolError("assets.unpack_failed", `cannot unpack into ${directory}: ${messageOf(error)}`, {
    cause: error,
  });
}
