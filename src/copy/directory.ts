import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { linkDescriptor, setLinkTime } from "../../ffi/libc.ts";
import { errnoOf } from "../errors.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR } = constants;

/** O_TMPFILE is a flag of its own plus O_DIRECTORY, whose number depends on the architecture. */
const O_TMPFILE = 0o20000000 | O_DIRECTORY;

/**
 * A directory of the host, held open. What is in it is reached through the descriptor, and no link is followed: whoever
 * exchanges a directory for a link meanwhile leads no copy elsewhere. (By way of /proc/self/fd, as the calls that end in
 * `at` would. macOS has none: there the way is the path.)
 *
 * Names are byte strings and single components; who has them from elsewhere checks that. Errors are the system's.
 */
export class Directory {
  readonly fd: number;
  readonly #path: Buffer;

  private constructor(path: Buffer, follow: boolean) {
    this.fd = openSync(path, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW));
    this.#path = process.platform === "linux" ? Buffer.from(`/proc/self/fd/${this.fd}`) : path;
  }

  /** Opens a directory that the user named: the path may lead through links. */
  static open(path: string | Buffer): Directory {
    return new Directory(Buffer.from(path), true);
  }

  openDirectory(name: string): Directory {
    return new Directory(this.#of(name), false);
  }

  makeDirectory(name: string): void {
    mkdirSync(this.#of(name), 0o700);
  }

  /** Opens a file for reading; does not wait for the other end of a FIFO. */
  openFile(name: string): number {
    return openSync(this.#of(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  /** Makes a file that was not there, for writing. */
  makeFile(name: string): number {
    return openSync(this.#of(name), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  /** Makes a file without a name, which is gone when nobody gives it one; undefined where that cannot be. */
  makeUnnamed(): number | undefined {
    if (process.platform !== "linux") return undefined;
    try {
      return openSync(this.#of("."), O_TMPFILE | O_RDWR, 0o600);
    } catch (error) {
      // Some filesystems take the call for an attempt to open the directory itself for writing.
      if (["EOPNOTSUPP", "ENOTSUP", "EISDIR", "EINVAL"].includes(errnoOf(error) ?? "")) return undefined;
      throw error;
    }
  }

  /** @throws EEXIST */
  nameUnnamed(fd: number, name: string): void {
    linkDescriptor(fd, this.#of(name));
  }

  makeLink(name: string, target: string): void {
    symlinkSync(Buffer.from(target, "latin1"), this.#of(name));
  }

  /** Gives a file of another directory a name here. */
  addName(name: string, from: Directory, old: string): void {
    linkSync(from.#of(old), this.#of(name));
  }

  rename(from: string, to: string): void {
    renameSync(this.#of(from), this.#of(to));
  }

  /** Of a link itself. */
  setOwner(name: string, uid: number, gid: number): void {
    lchownSync(this.#of(name), uid, gid);
  }

  /** Of a link itself: when it was changed. */
  setTime(name: string, seconds: bigint, nanoseconds: number): void {
    setLinkTime(this.#of(name), seconds, nanoseconds);
  }

  stat(name: string): BigIntStats {
    return lstatSync(this.#of(name), { bigint: true });
  }

  /** Undefined when there is nothing of that name. */
  find(name: string): BigIntStats | undefined {
    return lstatSync(this.#of(name), { bigint: true, throwIfNoEntry: false });
  }

  readLink(name: string): string {
    return readlinkSync(this.#of(name), { encoding: "buffer" }).toString("latin1");
  }

  /** In byte order. */
  names(): string[] {
    return readdirSync(this.#path, { encoding: "buffer" })
      .map((name) => name.toString("latin1"))
      .sort();
  }

  removeFile(name: string): void {
    unlinkSync(this.#of(name));
  }

  /** Removes a name with all that is in it, also where a mode forbids it. @param depth most directories in each other */
  removeTree(name: string, depth: number): void {
    const found = this.find(name);
    if (found === undefined) return;
    if (!found.isDirectory() || depth === 0) {
      unlinkSync(this.#of(name));
      return;
    }
    if ((Number(found.mode) & 0o700) !== 0o700) chmodSync(this.#of(name), 0o700);
    const inside = this.openDirectory(name);
    try {
      for (const entry of inside.names()) inside.removeTree(entry, depth - 1);
    } finally {
      inside.close();
    }
    rmdirSync(this.#of(name));
  }

  close(): void {
    closeSync(this.fd);
  }

  #of(name: string): Buffer {
    return Buffer.concat([this.#path, Buffer.from(`/${name}`, "latin1")]);
  }
}
