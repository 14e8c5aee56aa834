import { write } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { cannotWrite } from "../cannot-write.ts";

/** First wait for a reader of a non-blocking pipe, in milliseconds; doubled up to the maximum. */
const RETRY_MS = 1;
const MAX_RETRY_MS = 50;

/** The reader of our output is gone; `machine run` ends then, as a program ends by SIGPIPE. */
export class OutputClosed extends Error {
  override name = "OutputClosed";
}

/**
 * Writes all bytes to a descriptor, off the main thread: a reader that stops reading stops the caller and nothing
 * else.
 *
 * @throws OutputClosed when nobody can read any more; SmolError `cli.stdout` when the bytes cannot be kept (a
 * full disk).
 */
export async function writeFully(fd: number, bytes: Uint8Array): Promise<void> {
  let wait = RETRY_MS;
  for (let offset = 0; offset < bytes.length; ) {
    try {
      offset += await writeSome(fd, bytes.subarray(offset));
      wait = RETRY_MS;
    } catch (error) {
      const code = errnoOf(error);
      if (code === "EPIPE" || code === "EIO" || code === "ECONNRESET") throw new OutputClosed();
      if (code !== "EAGAIN") throw cannotWrite(fd === 1 ? "stdout" : "stderr", error);
      // Another program made the pipe non-blocking, and it is full: only trying again tells when it is not.
      await Bun.sleep(wait);
      wait = Math.min(wait * 2, MAX_RETRY_MS);
    }
  }
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
  });
}
