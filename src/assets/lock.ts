import { closeSync, fstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { flock } from "../../ffi/libc.ts";
import { tryForAMoment, untilLocked } from "../host/index.ts";

/** Directories below `<cache>/runtime/` are locked by this file inside them, by whoever makes something there. */
const LOCK = "lock";
/** Another one, because a lease lasts as long as a machine runs. */
const LEASE = "in-use";

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

/** Runs `work` if no other process makes anything in the directory, or has a lease on it; false when one does. */
export function ifUnused(directory: string, work: () => void): boolean {
  const taken: number[] = [];
  try {
    for (const name of [LOCK, LEASE]) {
      const fd = openLock(`${directory}/${name}`);
      if (fd === undefined) return false;
      taken.push(fd);
      if (!flock(fd, "exclusive", false)) return false;
    }
    work();
    return true;
  } finally {
    for (const fd of taken) closeSync(fd);
  }
}

/** A process that prunes holds a directory exclusively only while it looks, or removes a few files. */
const LOOKS = 200;

/**
 * Takes a lease on a directory, under which nothing in it is removed; others may make what is missing or damaged.
 *
 * @returns the descriptor that holds it; undefined when the directory is not there.
 */
export function leaseDirectory(directory: string): number | undefined {
  const fd = openLock(`${directory}/${LEASE}`);
  if (fd === undefined) return undefined;
  // The lock is worth nothing when a prune removed the file.
  const held = tryForAMoment(() => flock(fd, "shared", false) || undefined, LOOKS);
  if (held && fstatSync(fd).nlink > 0) return fd;
  closeSync(fd);
  return undefined;
}

function openLock(path: string): number | undefined {
  try {
    return openSync(path, "a", 0o600);
  } catch (error) {
    if (!statSync(path.slice(0, path.lastIndexOf("/")), { throwIfNoEntry: false })) return undefined;
    throw error;
  }
}
