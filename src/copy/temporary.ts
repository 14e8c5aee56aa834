/** Names of what is not complete yet, and what killed copies have left under such names. */
import { closeSync } from "node:fs";
import { flock } from "../../ffi/libc.ts";
import type { Directory } from "./directory.ts";
import { limits } from "./limits.ts";

const PREFIX = ".smolvm-cp-";
/** A copy needs a moment, in milliseconds, from making something to claiming it; a link it only makes and renames. */
const FRESH_MS = 60_000;
const PATTERN = /^\.smolvm-cp-[0-9a-f]{16}$/;

export function temporaryName(): string {
  return PREFIX + Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex");
}

export const TEMPORARY = {
  /** A copy is at work in this directory, or on this file, for as long as it is open. */
  claim(fd: number): void {
    flock(fd, "exclusive", false);
  },

  /**
   * Removes what copies have left which were killed: that on which none is at work.
   *
   * @param now milliseconds since the epoch
   */
  sweep(directory: Directory, now = Date.now()): void {
    for (const name of directory.names()) {
      if (!PATTERN.test(name)) continue;
      try {
        if (directory.stat(name).isDirectory()) sweepDirectory(directory, name, now);
        else sweepFile(directory, name, now);
      } catch {
        // Somebody else's: nothing that this copy needs to be gone.
      }
    }
  },
};

function sweepDirectory(above: Directory, name: string, now: number): void {
  const left = above.openDirectory(name);
  try {
    const age = now - Number(left.stat(".").mtimeMs);
    if (age > FRESH_MS && flock(left.fd, "exclusive", false)) above.removeTree(name, limits.depth + 1);
  } finally {
    left.close();
  }
}

/** When it was written says nothing: that is the machine's word already. */
function sweepFile(directory: Directory, name: string, now: number): void {
  const found = directory.stat(name);
  if (now - Number(found.ctimeMs) <= FRESH_MS) return;
  if (!found.isFile()) {
    directory.removeFile(name);
    return;
  }
  const fd = directory.openFile(name);
  try {
    if (flock(fd, "exclusive", false)) directory.removeFile(name);
  } finally {
    closeSync(fd);
  }
}
