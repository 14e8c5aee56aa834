/** Names of what is not complete yet, and what killed copies have left under such names. */
import { flock } from "../../ffi/libc.ts";
import type { Directory } from "./directory.ts";
import { limits } from "./limits.ts";

const PREFIX = ".smolvm-cp-";
/** A copy needs a moment, in milliseconds, from making its directory to claiming it. */
const FRESH_MS = 60_000;
const PATTERN = /^\.smolvm-cp-[0-9a-f]{16}$/;

export function temporaryName(): string {
  return PREFIX + Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
}

export const TEMPORARY = {
  /** A copy is at work in this directory, for as long as it is open. */
  claim(fd: number): void {
    flock(fd, "exclusive", false);
  },

  /** Removes the directories that copies have left which were killed: those in which none is at work. */
  sweep(directory: Directory): void {
    for (const name of directory.names()) {
      if (!PATTERN.test(name)) continue;
      try {
        const left = directory.openDirectory(name);
        try {
          const age = Date.now() - Number(left.stat(".").mtimeMs);
          if (age > FRESH_MS && flock(left.fd, "exclusive", false))
            directory.removeTree(name, limits.depth + 1);
        } finally {
          left.close();
        }
      } catch {
        // A file, or somebody else's: nothing that this copy needs to be gone.
      }
    }
  },
};
