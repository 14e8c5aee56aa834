/**
 * Leases of the cache, told by flock(2), so that they end with the process:
 *
 *     <id>.vmdk    shared by a process that uses the image, exclusive by one that removes it
 *     <id>.lock    exclusive by a process that makes the image, and by one that removes it
 *     store.lock   shared by a process that adds, exclusive by one that removes layers: a layer that no image needs yet
 *                  may be part of a pull
 */
import { closeSync, constants, futimesSync, openSync } from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import { errnoOf } from "../../errors.ts";
import { tryForAMoment } from "../../host/index.ts";
import { isSameFile } from "../newfile.ts";
import { type HeldLock, takeLock, tryLock } from "./lock.ts";
import { imagePaths } from "./stored-image.ts";

const storeLock = (directory: string) => `${directory}/store.lock`;

/** Another process holds an image exclusively only while it looks, or unlinks a few files. */
const LOOKS = 200;

/**
 * Takes a lease on an image: no process removes it until the lease is released.
 *
 * @param touch notes that the image was used now; the least recently used ones are evicted first.
 * @returns undefined when the image is not there, or is being removed.
 */
export function leaseImage(directory: string, id: string, touch = true): HeldLock | undefined {
  const path = imagePaths(directory, id).disk;
  const fd = openExisting(path);
  if (fd === undefined) return undefined;
  const look = () => {
    if (!isSameFile(fd, path)) return "removed";
    if (!flock(fd, "shared", false)) return undefined;
    return isSameFile(fd, path) ? "held" : "removed";
  };
  if (tryForAMoment(look, LOOKS) !== "held") {
    closeSync(fd);
    return undefined;
  }
  if (touch) touchNow(fd);
  return { release: once(() => closeSync(fd)) };
}

/** Whether a process has a lease on an image right now. */
export function isLeased(directory: string, id: string): boolean {
  const claim = tryToClaim(imagePaths(directory, id).disk);
  if (claim === "denied") return true;
  if (claim === "missing") return false;
  claim?.release();
  return claim === undefined;
}

/** A process that only looks whether an image is leased holds it for a moment too. */
const CLAIMS = 20;

/**
 * Takes an image exclusively, to remove it: no process uses it, begins to, or makes it anew.
 *
 * @returns undefined when another process has a lease on it, or is making it.
 */
export function claimImage(directory: string, id: string): HeldLock | undefined {
  const { disk, lock } = imagePaths(directory, id);
  // Makers wait for this one. Without it, one could put new files in the place of those that are being removed.
  const making = lockForRemoval(lock);
  if (making === undefined) return undefined;
  const claim = tryForAMoment(() => tryToClaim(disk), CLAIMS);
  if (claim === undefined || claim === "denied") {
    making.release();
    return undefined;
  }
  return {
    release() {
      if (claim !== "missing") claim.release();
      making.release();
    },
  };
}

function lockForRemoval(path: string): HeldLock | undefined {
  try {
    return tryForAMoment(() => tryLock(path), CLAIMS);
  } catch (error) {
    const code = errnoOf(error);
    // Where there is no cache, nobody makes anything.
    if (code === "ENOENT") return { release() {} };
    if (code === "EACCES" || code === "EPERM" || code === "EROFS") return undefined;
    throw error;
  }
}

/**
 * @returns undefined when another process holds the image; `denied` when this user may not ask; `missing` when there
 *   is no descriptor: then no process can use the image, nor begin to.
 */
function tryToClaim(path: string): HeldLock | "denied" | "missing" | undefined {
  let fd: number | undefined;
  try {
    fd = openExisting(path);
  } catch (error) {
    if (errnoOf(error) === "EACCES") return "denied";
    throw error;
  }
  if (fd === undefined) return "missing";
  if (flock(fd, "exclusive", false) && isSameFile(fd, path)) return { release: once(() => closeSync(fd)) };
  closeSync(fd);
  return undefined;
}

/** Takes a shared lock, under which a process adds to the cache; waits while another removes layers. */
export async function holdForAdding(directory: string, signal?: AbortSignal): Promise<HeldLock> {
  return await takeLock(storeLock(directory), "shared", signal);
}

/**
 * Does something that must not happen while another process adds to the cache.
 *
 * @returns false when one does; nothing has happened then.
 */
export function removeExclusively(directory: string, action: () => void): boolean {
  const path = storeLock(directory);
  const fd = openForLocking(path);
  // Where there is no cache, no process adds and there is nothing to remove.
  if (fd === undefined) return true;
  try {
    if (!flock(fd, "exclusive", false) || !isSameFile(fd, path)) return false;
    action();
    return true;
  } finally {
    closeSync(fd);
  }
}

function openForLocking(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function openExisting(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The time of the last use is the descriptor's modification time; in another user's cache it stays as it is. */
function touchNow(fd: number): void {
  try {
    const now = Date.now() / 1000;
    futimesSync(fd, now, now);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

/** A descriptor's number is given out again: closing it twice would close another file. */
function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
