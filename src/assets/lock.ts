import { closeSync, fstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { flock } from "../../ffi/libc.ts";
import { untilLocked } from "../host/index.ts";

/** Directories below `<cache>/runtime/` are locked by this file inside them. */
const LOCK = "lock";

/** Runs `work` while this process alone may change the directory, which is made when it does not exist. */
export async function whileLocked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const fd = await untilLocked(() => lockForMaking(directory));
  try {
    return await work();
  } finally {
    closeSync(fd);
  }
}

function lockForMaking(directory: string): number | undefined {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const fd = openLock(`${directory}/${LOCK}`);
  if (fd === undefined) return undefined; // pruned between the two calls
  // The lock is worth nothing when a prune removed the file.
  if (flock(fd, "exclusive", false) && fstatSync(fd).nlink > 0) return fd;
  closeSync(fd);
  return undefined;
}

/** Runs `work` if no other process makes anything in the directory; false when one does. */
export function ifUnused(directory: string, work: () => void): boolean {
  const fd = openLock(`${directory}/${LOCK}`);
  if (fd === undefined) return false;
  try {
    if (!flock(fd, "exclusive", false)) return false;
    work();
    return true;
  } finally {
    closeSync(fd);
  }
}

function openLock(path: string): number | undefined {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    if (!statSync(path.slice(0, path.lastIndexOf("/")), { throwIfNoEntry: false })) return undefined;
    throw error;
  }
}
