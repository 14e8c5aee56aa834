import { closeSync, fstatSync, openSync, read, readSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { unreadable } from "./unreadable.ts";

const CHUNK = 1024 * 1024;

/** A file that is read by offsets; several parts may be read one after the other, without spooling. */
export class FileSource {
  readonly path: string;
  readonly fd: number;
  readonly size: number;
  #small = Buffer.alloc(0);

  /**
   * @param fd a descriptor that is open already; the source closes it.
   * @throws SmolError `image.unreadable` when the file cannot be opened or is not a regular file.
   */
  constructor(path: string, fd: number = openForReading(path)) {
    this.path = path;
    this.fd = fd;
    const stat = fstatSync(this.fd);
    this.size = stat.size;
    if (!stat.isFile()) {
      this.close();
      throw new SmolError("image.unreadable", `not a regular file: ${path}`);
    }
  }

  /**
   * Reads a part of the file, ahead of the consumer by one chunk.
   *
   * @returns chunks that stay valid until the next one is asked for.
   * @throws SmolError when the file turns out to be shorter.
   */
  async *read(start: number, length: number): AsyncGenerator<Uint8Array, void, undefined> {
    const end = start + length;
    let spare: Buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, Math.max(length, 1)));
    let other: Buffer | undefined;
    let at = start;
    let ahead = at < end ? this.#fill(spare, at, end) : undefined;
    try {
      while (ahead !== undefined) {
        const filled: Buffer = await ahead;
        at += filled.length;
        if (filled.length === 0) throw this.#tooShort();
        const current = spare;
        spare = other ?? Buffer.allocUnsafeSlow(CHUNK);
        other = current;
        ahead = at < end ? this.#fill(spare, at, end) : undefined;
        yield filled;
      }
    } finally {
      // The descriptor may be closed, and its number reused, as soon as this generator is done.
      await ahead?.catch(() => undefined);
    }
  }

  /** Reads a small part at once. The result stays valid until the next call. */
  readNow(start: number, length: number): Buffer {
    if (this.#small.length < length) this.#small = Buffer.allocUnsafeSlow(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.fd, this.#small, done, length - done, start + done);
      if (count === 0) throw this.#tooShort();
      done += count;
    }
    return this.#small.subarray(0, length);
  }

  close(): void {
    closeSync(this.fd);
  }

  #tooShort(): SmolError {
    return new SmolError("image.bad_archive", `${this.path} ends before its contents do`);
  }

  #fill(buffer: Buffer, at: number, end: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      read(this.fd, buffer, 0, Math.min(buffer.length, end - at), at, (error, count) => {
        if (error === null) resolve(buffer.subarray(0, count));
        else reject(unreadable(this.path, error));
      });
    });
  }
}

function openForReading(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    throw unreadable(path, error);
  }
}
