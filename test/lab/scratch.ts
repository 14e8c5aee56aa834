import { closeSync, cpSync, existsSync, linkSync, mkdirSync, openSync, readdirSync, rmSync } from "node:fs";
import { flock } from "../../ffi/libc.ts";
import { buildDirectory } from "../support/program.ts";

/** Directories for what the lab's machine is made from: hundreds of megabytes that must not pile up. */

const parent = `${buildDirectory}/scratch`;

/** Gives `work` an empty directory and removes it afterwards; what killed processes left goes with the next one. */
export async function withScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  mkdirSync(parent, { recursive: true });
  sweep();
  const { path, lock } = lockedName();
  try {
    mkdirSync(path);
    return await work(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
    rmSync(`${path}.lock`, { force: true });
    closeSync(lock);
  }
}

/** A new name whose lock is ours before there is a directory of that name. */
function lockedName(): { path: string; lock: number } {
  for (;;) {
    const path = `${parent}/${crypto.randomUUID()}`;
    const lock = openSync(`${path}.lock`, "wx");
    // Another process may have swept the lock's file before it was locked.
    if (flock(lock, "exclusive", false) && existsSync(`${path}.lock`)) return { path, lock };
    closeSync(lock);
  }
}

/** Removes directories whose lock nobody holds. */
function sweep(): void {
  for (const name of readdirSync(parent)) {
    if (!name.endsWith(".lock")) continue;
    const lock = openSync(`${parent}/${name}`, "r");
    if (flock(lock, "exclusive", false)) {
      rmSync(`${parent}/${name.replace(/\.lock$/, "")}`, { recursive: true, force: true });
      rmSync(`${parent}/${name}`, { force: true });
    }
    closeSync(lock);
  }
}

/** A hard link, or a copy where that is not possible: for files that nobody changes. */
export function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    cpSync(from, to);
  }
}
