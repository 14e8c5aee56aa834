import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import { isSameFile } from "../newfile.ts";

/** First and longest pause between two looks at a lock that another process holds. */
const PAUSE_MS = { first: 5, longest: 100 };

export interface HeldLock {
  release(): void;
}

/**
 * Takes a lock file, so that of several processes which need the same image only one makes it. The kernel releases
 * the lock when its process ends, however it ends. The wait is a series of looks, because flock(2) has no event and
 * would block the whole program.
 *
 * @param mode `exclusive`: the file goes with the lock; `shared`: it stays.
 */
export async function takeLock(
  path: string,
  mode: "exclusive" | "shared",
  signal?: AbortSignal,
): Promise<HeldLock> {
  for (let pause = PAUSE_MS.first; ; pause = Math.min(pause * 2, PAUSE_MS.longest)) {
    signal?.throwIfAborted();
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    if (flock(fd, mode, false) && isSameFile(fd, path)) {
      return {
        release() {
          try {
            // Removed while it is held: whoever waits finds that its file is gone, and makes a new one.
            if (mode === "exclusive" && isSameFile(fd, path)) unlinkSync(path);
          } finally {
            closeSync(fd);
          }
        },
      };
    }
    closeSync(fd);
    await Bun.sleep(pause);
  }
}
