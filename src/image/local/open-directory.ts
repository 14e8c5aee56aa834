import {
  type BigIntStats,
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
} from "node:fs";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * A directory of the host, held open. What is in it is reached through the descriptor, never by the path from the
 * root, and no symbolic link is followed: nobody can lead a walk elsewhere by exchanging a directory for a link.
 * (By way of /proc/self/fd, as openat(2) would. macOS has none: there the walk goes by path.)
 *
 * Names are byte strings. Errors are those of the system calls: ELOOP or ENOTDIR for a symbolic link.
 */
export class OpenDirectory {
  readonly fd: number;
  readonly #path: Buffer;
  #open = true;

  private constructor(path: Buffer, follow: boolean) {
    this.fd = openSync(path, O_RDONLY | O_DIRECTORY | (follow ? 0 : O_NOFOLLOW));
    this.#path = process.platform === "linux" ? Buffer.from(`/proc/self/fd/${this.fd}`) : path;
  }

  /** Opens a directory that the user named: the path itself may lead through links. */
  static open(path: string): OpenDirectory {
    return new OpenDirectory(Buffer.from(path), true);
  }

  /** Opens a directory inside this one, and closes this one. */
  enter(name: string): OpenDirectory {
    try {
      return this.openDirectory(name);
    } finally {
      this.close();
    }
  }

  openDirectory(name: string): OpenDirectory {
    return new OpenDirectory(this.pathOf(name), false);
  }

  /** Opens a file for reading; does not wait for the other end of a FIFO. */
  openFile(name: string): number {
    return openSync(this.pathOf(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  }

  stat(name: string): BigIntStats {
    return lstatSync(this.pathOf(name), { bigint: true });
  }

  readLink(name: string): string {
    return readlinkSync(this.pathOf(name), { encoding: "buffer" }).toString("latin1");
  }

  /** Names in byte order. */
  names(): string[] {
    return readdirSync(this.#path, { encoding: "buffer" })
      .map((name) => name.toString("latin1"))
      .sort();
  }

  /** A path that is valid while the directory is open. */
  pathOf(name: string): Buffer {
    return Buffer.concat([this.#path, Buffer.from(`/${name}`, "latin1")]);
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.fd);
  }
}
