import { write, writeSync } from "node:fs";
import { diskError } from "../disk.ts";

/** Size of the buffers that runs are collected in, but for the first: many layers have only a few small files. */
const BUFFER = 1024 * 1024;
const FIRST_BUFFER = 64 * 1024;
/** So little is copied to the system's memory sooner than another thread could be asked to do it. */
const WRITTEN_AT_ONCE = 64 * 1024;
/** Bytes that may wait for the disk before `drain` makes the caller wait too. */
const MAX_QUEUED = 8 * BUFFER;

interface Pending {
  readonly buffer: Buffer;
  readonly length: number;
  readonly position: number;
}

/**
 * Writes to a file in the background, in the order of the calls and one write at a time.
 *
 * The first failure is kept and thrown by the next `drain`.
 */
export class OutputFile {
  readonly #fd: number;
  readonly #queue: Pending[] = [];
  readonly #spare: Buffer[] = [];
  #queued = 0;
  #isFirst = true;
  #busy = false;
  #failure: unknown;
  #waiting: (() => void) | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** An empty buffer; give it back with `write`. Its contents are undefined. */
  buffer(): Buffer {
    const size = this.#isFirst ? FIRST_BUFFER : BUFFER;
    this.#isFirst = false;
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(size);
  }

  /** Queues the first `length` bytes of a buffer that `buffer()` gave out; the buffer belongs to the file from here. */
  write(buffer: Buffer, length: number, position: number): void {
    if (!this.#busy && length <= WRITTEN_AT_ONCE) {
      this.#putNow({ buffer, length, position });
      return;
    }
    this.#queue.push({ buffer, length, position });
    this.#queued += length;
    this.#next();
  }

  /** Whether `drain` would wait, or throw. */
  get isBehind(): boolean {
    return this.#queued > MAX_QUEUED || this.#failure !== undefined;
  }

  /** Resolves when little enough is queued (`all`: when everything is written). Throws what went wrong so far. */
  async drain(all = false): Promise<void> {
    while (this.#failure === undefined && (all ? this.#busy : this.#queued > MAX_QUEUED)) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    if (this.#failure !== undefined) throw diskError(this.#failure);
  }

  /** Waits until nothing is under way any more, whether it worked or not: only then may the file be closed. */
  async settle(): Promise<void> {
    this.#queue.length = 0;
    while (this.#busy) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  #next(): void {
    if (this.#busy) return;
    const pending = this.#queue.shift();
    if (pending === undefined) return;
    this.#busy = true;
    this.#put(pending, 0);
  }

  #putNow({ buffer, length, position }: Pending): void {
    try {
      for (let done = 0; done < length; ) {
        done += writeSync(this.#fd, buffer, done, length - done, position + done);
      }
    } catch (error) {
      this.#failure ??= error;
    }
    this.#recycle(buffer);
  }

  #recycle(buffer: Buffer): void {
    if (buffer.length === BUFFER && this.#spare.length < MAX_QUEUED / BUFFER) this.#spare.push(buffer);
  }

  #put(pending: Pending, done: number): void {
    const { buffer, length, position } = pending;
    write(this.#fd, buffer, done, length - done, position + done, (error, written) => {
      if (error === null && done + written < length) return this.#put(pending, done + written);
      this.#busy = false;
      this.#queued -= length;
      if (error !== null) {
        this.#failure ??= error;
        this.#queue.length = 0;
      }
      this.#recycle(buffer);
      this.#next();
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.();
    });
  }
}

/** Collects bytes that follow each other in the file into large writes. */
export class RunWriter {
  readonly #file: OutputFile;
  #buffer: Buffer | undefined;
  #start = 0;
  #length = 0;

  constructor(file: OutputFile) {
    this.#file = file;
  }

  /** Copies `bytes` to `position`; a position elsewhere than behind the last one begins a new run. */
  append(position: number, bytes: Uint8Array): void {
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

  /** Hands what is collected to the file. */
  flush(): void {
    if (this.#buffer !== undefined && this.#length > 0) {
      this.#file.write(this.#buffer, this.#length, this.#start);
      this.#buffer = undefined;
    }
    this.#length = 0;
  }

  /** The free rest of the buffer, for bytes that belong at `position`. */
  #room(position: number): Buffer {
    if (position !== this.#start + this.#length || this.#length === this.#buffer?.length) this.flush();
    if (this.#length === 0) this.#start = position;
    this.#buffer ??= this.#file.buffer();
    return this.#buffer.subarray(this.#length);
  }
}
