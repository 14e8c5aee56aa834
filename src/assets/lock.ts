import { closeSync, fstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { flock } from "../../ffi/libc.ts";

/** Directories below `<cache>/runtime/` are locked by these two files inside them. */
const MAKING = "lock";
const IN_USE = "in-use";

/** How long to wait between two tries; waiting happens only while another process unpacks the same file. */
const RETRY_MILLISECONDS = 15;

/** Runs `work` while this process alone may change the directory, which is made when it does not exist. */
export async function whileLocked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const fd = openLock(`${directory}/${MAKING}`);
    if (fd === undefined) continue; // pruned between the two calls
    try {
      while (!flock(fd, "exclusive", false)) await Bun.sleep(RETRY_MILLISECONDS);
      // The lock is worth nothing when a prune removed the file while we waited for it.
      if (fstatSync(fd).nlink > 0) return await work();
    } finally {
      closeSync(fd);
    }
  }
}

/** Descriptors that say until this process ends that a directory is in use. */
const held = new Map<string, number>();

/** Keeps the directory from being pruned for as long as this process lives. */
export function holdUntilExit(directory: string): void {
  if (held.has(directory)) return;
  const fd = openLock(`${directory}/${IN_USE}`);
  if (fd === undefined) return;
  flock(fd, "shared", false);
  held.set(directory, fd);
}

/** Runs `work` if no other process makes or uses anything in the directory; false when one does. */
export function ifUnused(directory: string, work: () => void): boolean {
  const fds = [MAKING, IN_USE].map((name) => openLock(`${directory}/${name}`));
  try {
    for (const fd of fds) if (fd === undefined || !flock(fd, "exclusive", false)) return false;
    work();
    return true;
  } finally {
    for (const fd of fds) if (fd !== undefined) closeSync(fd);
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
