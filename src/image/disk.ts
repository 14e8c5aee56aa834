import { writeSync } from "node:fs";
import { errnoOf, messageOf, SmolError } from "../errors.ts";

/** Turns a failed write to the cache into the error that users see. Errors of our own pass unchanged. */
export function diskError(error: unknown): SmolError {
  if (error instanceof SmolError) return error;
  const code = errnoOf(error);
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new SmolError("image.no_space", "no space left for the image in the cache directory", {
      hint: "free some space, or point XDG_CACHE_HOME or SMOLVM_DATA_DIR at a larger disk",
      cause: error,
    });
  }
  if (code === "EFBIG") {
    return new SmolError(
      "image.too_large",
      "the image is larger than the cache's filesystem or ulimit -f allows",
      {
        cause: error,
      },
    );
  }
  return new SmolError("image.write_failed", `cannot write the image: ${messageOf(error)}`, { cause: error });
}

/**
 * Writes all bytes at a position of a file, and waits for the system to take them, which is a copy in its memory.
 *
 * @throws SmolError `image.no_space` and others
 */
export function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  try {
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done, bytes.length - done, position + done);
    }
  } catch (error) {
    throw diskError(error);
  }
}
