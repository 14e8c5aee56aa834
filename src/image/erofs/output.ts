import { writeFully } from "../disk.ts";

/** What is collected before it is written, and the size of the first buffer: many layers have only a few small files. */
const BUFFER = 256 * 1024;
const FIRST_BUFFER = 64 * 1024;
/** Bytes that come in such a piece are written as they are: copying them together costs more than a system call. */
const DIRECT = 64 * 1024;

const nothing = Buffer.alloc(0);

/** Collects bytes that follow each other in a file into large writes. */
export class RunWriter {
  readonly #fd: number;
  #buffer: Buffer = nothing;
  #start = 0;
  #length = 0;

  /** @param fd a file open for writing; the caller closes it. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** Puts `bytes` at `position`; a position elsewhere than behind the last one begins a new run. They may be reused. */
  append(position: number, bytes: Uint8Array): void {
    if (bytes.length >= DIRECT) {
      this.flush();
      writeFully(this.#fd, bytes, position);
      return;
    }
    let done = 0;
    while (done < bytes.length) {
      const room = this.#room(position + done);
      const count = Math.min(room.length, bytes.length - done);
      room.set(done === 0 && count === bytes.length ? bytes : bytes.subarray(done, done + count));
      this.#length += count;
      done += count;
    }
  }

  /** Writes `count` zeros at `position`. */
  zeros(position: number, count: number): void {
    let done = 0;
    while (done < count) {
      const room = this.#room(position + done);
      const step = Math.min(room.length, count - done);
      room.fill(0, 0, step);
      this.#length += step;
      done += step;
    }
  }

  /** Writes what is collected. */
  flush(): void {
    if (this.#length > 0) writeFully(this.#fd, this.#buffer.subarray(0, this.#length), this.#start);
    this.#length = 0;
  }

  /** The free rest of the buffer, for bytes that belong at `position`. */
  #room(position: number): Buffer {
    const isFull = this.#length === this.#buffer.length;
    if (position !== this.#start + this.#length || isFull) this.flush();
    if (this.#length === 0) this.#start = position;
    if (isFull && this.#buffer.length < BUFFER)
      this.#buffer = Buffer.allocUnsafeSlow(this.#buffer.length === 0 ? FIRST_BUFFER : BUFFER);
    return this.#buffer.subarray(this.#length);
  }
}
