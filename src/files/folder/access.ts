import { changeMode } from "../../../ffi/files.ts";
import { Errno } from "../errno.ts";
import { DIRECTORY, PERMISSIONS, type Stat, TYPE } from "./stat.ts";

/** What root of the guest may do with files whose mode forbids it. */
export interface Access {
  /** Does something in a directory: `task` returns a result of ffi/files.ts. */
  inDirectory(fd: number, task: () => number): number;
  /** Does something with a file. */
  onFile(fd: number, task: () => number): number;
}

/** No mode is touched: root of the host may do everything anyway, and nothing of a read-only volume is changed. */
export const rootAccess: Access = { inDirectory: (_, task) => task(), onFile: (_, task) => task() };

/**
 * The guest's kernel has checked the modes. What it lets pass is done by root of the guest, which in a machine can do
 * what its user on the host can; that user could change the mode first. So that is done: for the moment of the call,
 * and only to files that are the user's own.
 */
export class OwnerAccess implements Access {
  readonly #uid: number;
  readonly #stat: Stat;

  constructor(uid: number, stat: Stat) {
    this.#uid = uid;
    this.#stat = stat;
  }

  inDirectory(fd: number, task: () => number): number {
    const result = task();
    return result === -Errno.EACCES ? this.#relaxed(fd, DIRECTORY, task, result) : result;
  }

  onFile(fd: number, task: () => number): number {
    const result = task();
    return result === -Errno.EACCES ? this.#relaxed(fd, undefined, task, result) : result;
  }

  #relaxed(fd: number, type: number | undefined, task: () => number, refused: number): number {
    if (this.#stat.read(fd) !== 0 || this.#stat.uid !== this.#uid) return refused;
    const { mode } = this.#stat;
    if (type !== undefined && (mode & TYPE) !== type) return refused;
    const before = mode & PERMISSIONS;
    const wanted = before | ((mode & TYPE) === DIRECTORY ? 0o700 : 0o600);
    if (wanted === before || changeMode(fd, wanted) < 0) return refused;
    try {
      return task();
    } finally {
      changeMode(fd, before);
    }
  }
}
