import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { flock, linkDescriptor } from "../../ffi/libc.ts";
import { errnoOf } from "../errors.ts";
import { writeFully } from "./disk.ts";

/** O_TMPFILE is a flag of its own plus O_DIRECTORY, whose number depends on the architecture. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/**
 * A file that appears in full or not at all. While it is written it has no name (O_TMPFILE), so that a killed process
 * leaves nothing; only on filesystems that cannot do that it has a temporary one, which `sweepLeftovers` removes.
 */
export class NewFile {
  readonly fd: number;
  #temporary: string | undefined;
  #open = true;

  /** @param directory on the filesystem where the file is to appear. */
  constructor(directory: string) {
    const unnamed = openUnnamed(directory);
    if (unnamed !== undefined) {
      this.fd = unnamed;
      return;
    }
    this.#temporary = temporaryPath(`${directory}/file`);
    this.fd = openSync(this.#temporary, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o644);
    // Tells other processes that the name is in use.
    flock(this.fd, "exclusive", false);
  }

  /** Writes bytes at a position. @throws SmolError `image.no_space` and others */
  writeAt(bytes: Uint8Array, position: number): void {
    writeFully(this.fd, bytes, position);
  }

  /** Gives the file its name, in the place of whatever has it now, and closes it. */
  commit(path: string): void {
    if (this.#temporary === undefined && !this.#link(path)) {
      // The name is taken. link(2) cannot replace, rename(2) can.
      flock(this.fd, "exclusive", false);
      const name = temporaryPath(path);
      linkDescriptor(this.fd, name);
      this.#temporary = name;
    }
    if (this.#temporary !== undefined) renameSync(this.#temporary, path);
    this.#temporary = undefined;
    this.discard();
  }

  /** Closes the file; one that was not committed is gone. */
  discard(): void {
    if (!this.#open) return;
    this.#open = false;
    if (this.#temporary !== undefined) unlinkSync(this.#temporary);
    closeSync(this.fd);
  }

  #link(path: string): boolean {
    try {
      linkDescriptor(this.fd, path);
      return true;
    } catch (error) {
      if (errnoOf(error) === "EEXIST") return false;
      throw error;
    }
  }
}

/**
 * Whether nothing is at a place, or a regular file: to be asked about a place that a user names. `commit` would put its
 * file there instead of a device, or of a link such as /dev/stdout, and nobody wants that.
 */
export function isReplaceable(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
}

function temporaryPath(path: string): string {
  const random = crypto.getRandomValues(new Uint32Array(2)).join("");
  return `${dirname(path)}/.${basename(path)}.${random}.tmp`;
}

/** Opens a file without a name for reading and writing; undefined where the filesystem or system cannot. */
export function openUnnamed(directory: string): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR, 0o644);
  } catch (error) {
    const code = errnoOf(error);
    // Some filesystems take the call for an attempt to open the directory itself for writing.
    if (code === "EOPNOTSUPP" || code === "ENOTSUP" || code === "EISDIR" || code === "EINVAL")
      return undefined;
    throw error;
  }
}

/** Whether a path still leads to an open file: it may have been removed, and made anew. */
export function isSameFile(fd: number, path: string): boolean {
  try {
    const [here, there] = [fstatSync(fd), statSync(path)];
    return here.ino === there.ino && here.dev === there.dev;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** The one lock file that stays: it is shared, and whoever releases it does not know whether others hold it. */
const KEPT = "store.lock";

/** Removes what killed processes left: temporary files that nobody writes to, locks that nobody holds. */
export function sweepLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!/^\..*\.\d+\.tmp$|\.lock$/.test(name) || name === KEPT) continue;
    const path = `${directory}/${name}`;
    try {
      const fd = openSync(path, "r");
      try {
        // Another process may have taken this file's name for a new one in the meantime.
        if (flock(fd, "exclusive", false) && isSameFile(fd, path)) unlinkSync(path);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      // Finished or removed in the meantime.
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}
