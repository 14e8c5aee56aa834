/**
 * Machines that belong to a program, from their making on: `owner.lock` in their directory, which that program holds. One
 * whose `owner.lock` is free, and that does not run, is left over like a throw-away one: nobody sees it, and anybody may
 * remove it. Without the file a machine is nobody's, and stays.
 */
import { closeSync, constants, existsSync, openSync, rmSync } from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import { errnoOf } from "../../errors.ts";
import type { Lock } from "./directory.ts";

const OWNER_LOCK = "owner.lock";

/** Makes a machine this process's own; for `fill` of a directory that is made. */
export function takeOwnership(path: string): Lock {
  const fd = openSync(
    `${path}/${OWNER_LOCK}`,
    constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY,
    0o600,
  );
  flock(fd, "exclusive");
  let isHeld = true;
  return {
    release() {
      if (isHeld) closeSync(fd);
      isHeld = false;
    },
  };
}

/** From now on the machine is nobody's. Fine when it is already. */
export function giveUpOwnership(path: string): void {
  rmSync(`${path}/${OWNER_LOCK}`, { force: true });
}

/** Whether it belongs to a program that has gone. It may run still: its process sees to its end then. */
export function lostItsOwner(path: string): boolean {
  // Cheaper than an exception, for the many that are nobody's.
  if (!existsSync(`${path}/${OWNER_LOCK}`)) return false;
  let fd: number;
  try {
    fd = openSync(`${path}/${OWNER_LOCK}`, "r");
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
  try {
    // Shared: two who look do not take each other for the owner.
    return flock(fd, "shared", false);
  } finally {
    closeSync(fd);
  }
}
