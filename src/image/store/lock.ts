import { closeSync, constants, openSync, unlinkSync } from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import { untilLocked } from "../../host/index.ts";
import { isSameFile } from "../newfile.ts";

export interface HeldLock {
  release(): void;
}

/**
 * Takes a lock file, so that of several processes which need the same image only one makes it. The kernel releases
 * the lock when its process ends, however it ends.
 *
 * @param mode `exclusive`: the file goes with the lock; `shared`: it stays.
 */
export async function takeLock(
  path: string,
  mode: "exclusive" | "shared",
  signal?: AbortSignal,
): Promise<HeldLock> {
  return await untilLocked(() => look(path, mode), signal);
}

/** As `takeLock` of an exclusive one; undefined when another process has it now. */
export function tryLock(path: string): HeldLock | undefined {
  return look(path, "exclusive");
}

function look(path: string, mode: "exclusive" | "shared"): HeldLock | undefined {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  if (flock(fd, mode, false) && isSameFile(fd, path)) return held(fd, path, mode);
  closeSync(fd);
  return undefined;
}

function held(fd: number, path: string, mode: "exclusive" | "shared"): HeldLock {
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
