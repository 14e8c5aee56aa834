/**
 * A log file that never grows beyond a limit: when it is full it becomes `NAME.1`, what had that name `NAME.2`, and so
 * on; the last one goes. Readers recognise files by their inodes (files.ts): nothing is ever written to a file that
 * has been renamed.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncate,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  write,
} from "node:fs";
import { basename, dirname } from "node:path";
import { errnoOf } from "../../errors.ts";
import { Changes } from "./changes.ts";

export interface LogLimits {
  /** Largest size of each file, give or take a line. */
  readonly maxBytes: number;
  /** How many files there are at most, the current one included; at least 1. */
  readonly maxFiles: number;
}

/** 30 MiB in all: some hundred thousand lines, and nothing that a disk notices. */
export const defaultLimits: LogLimits = { maxBytes: 10 * 1024 * 1024, maxFiles: 3 };

export interface RotatingFileOptions {
  readonly limits?: LogLimits | undefined;
  /** The line, with its newline, that stands for so many bytes that could not be written. */
  readonly gap: (lostBytes: number) => string;
  /** Told why lines are lost, one sentence for each cause. */
  readonly onTrouble?: ((text: string) => void) | undefined;
}

/** Above this much that waits for the disk, `room` waits too. */
const HIGH_WATER_BYTES = 256 * 1024;
/** Most that is written at once. */
const BATCH_BYTES = 256 * 1024;

interface Line {
  readonly bytes: Uint8Array;
  /** How much output it stands for. */
  readonly weight: number;
}

/**
 * Writes lines in order, in the background. Nothing that goes wrong with the file is thrown: lines that cannot be
 * written are lost, and a line that says so follows as soon as something can be written again.
 */
export class RotatingFile {
  /** Told when there is more to read, and ended by `close`. */
  readonly changes = new Changes();
  readonly #path: string;
  readonly #limits: LogLimits;
  readonly #options: RotatingFileOptions;
  #fd: number | undefined;
  #size = 0;
  /** The file's last line has no end: the machine's process, or the host, died while it was written. */
  #torn = false;
  #queue: Line[] = [];
  #queued = 0;
  #lostBytes = 0;
  readonly #troubles = new Set<string>();
  #flushing: Promise<void> | undefined;
  #waiting: (() => void)[] = [];
  #closed = false;

  /** Touches nothing: the file appears with its first line. */
  constructor(path: string, options: RotatingFileOptions) {
    this.#path = path;
    this.#options = options;
    this.#limits = options.limits ?? defaultLimits;
  }

  /**
   * Queues a line. Whoever can wait waits for `room` before the next one.
   *
   * @param line with its newline
   * @param weight bytes of output that it stands for
   */
  append(line: string, weight: number): void {
    if (this.#closed) return;
    const bytes = Buffer.from(line);
    this.#queue.push({ bytes, weight });
    this.#queued += bytes.length;
    this.#flushing ??= Promise.resolve().then(() => this.#flush());
  }

  /** For those who cannot wait: so many bytes of output are left out here. */
  lose(bytes: number): void {
    this.#lostBytes += bytes;
  }

  get isFull(): boolean {
    return this.#queued >= HIGH_WATER_BYTES;
  }

  /** Resolves once not too much waits for the disk. */
  async room(): Promise<void> {
    while (this.isFull)
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
  }

  /** Resolves when all that was appended is written, or lost. */
  async flushed(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.flushed();
    if (this.#lostBytes > 0) await this.#writeBatch([]).catch(() => {});
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.changes.end();
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#writeBatch(batch);
      } catch (error) {
        for (const { weight } of batch) this.#lostBytes += weight;
        this.#complain(error);
      }
      for (const { bytes } of batch) this.#queued -= bytes.length;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const wake of waiting) wake();
    }
    this.#flushing = undefined;
  }

  #nextBatch(): Line[] {
    let bytes = 0;
    let count = 0;
    for (const line of this.#queue) {
      if (count > 0 && bytes + line.bytes.length > Math.min(BATCH_BYTES, this.#limits.maxBytes)) break;
      bytes += line.bytes.length;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #writeBatch(batch: readonly Line[]): Promise<void> {
    const lost = this.#lostBytes;
    const lines = batch.map(({ bytes }) => bytes);
    if (lost > 0) lines.unshift(Buffer.from(this.#options.gap(lost)));
    const bytes = Buffer.concat(lines);
    if (this.#fd === undefined) this.#open();
    if (this.#size > 0 && this.#size + bytes.length > this.#limits.maxBytes) {
      this.#rotate();
      this.#open();
    }
    await this.#write(this.#torn ? Buffer.concat([Buffer.from("\n"), bytes]) : bytes);
    this.#torn = false;
    this.#lostBytes -= lost;
    this.changes.notify();
  }

  /** All of it or, as far as possible, nothing. */
  async #write(bytes: Uint8Array): Promise<void> {
    const fd = this.#fd as number;
    try {
      for (let offset = 0; offset < bytes.length; ) offset += await writeSome(fd, bytes.subarray(offset));
      this.#size += bytes.length;
    } catch (error) {
      await truncateTo(fd, this.#size).catch(() => {
        this.#torn = true;
      });
      throw error;
    }
  }

  #open(): void {
    // Readable too: its last byte says whether it ends well.
    const fd = openSync(this.#path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o600);
    this.#fd = fd;
    this.#size = fstatSync(fd).size;
    const last = Buffer.alloc(1);
    this.#torn = this.#size > 0 && readSync(fd, last, 0, 1, this.#size - 1) === 1 && last[0] !== 0x0a;
  }

  #rotate(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    const { maxFiles } = this.#limits;
    // What was kept under a higher limit, and what no longer fits.
    for (const [number, path] of olderFiles(this.#path))
      if (number >= maxFiles - 1) rmSync(path, { force: true });
    for (let number = maxFiles - 2; number >= 0; number--)
      renameIfThere(nameOf(this.#path, number), nameOf(this.#path, number + 1));
    if (maxFiles === 1) rmSync(this.#path, { force: true });
  }

  #complain(error: unknown): void {
    const cause = errnoOf(error) ?? String(error);
    if (this.#troubles.has(cause)) return;
    this.#troubles.add(cause);
    this.#options.onTrouble?.(`cannot write ${this.#path} (${cause}): what does not fit is left out`);
  }
}

/** The current file is number 0. */
const nameOf = (path: string, number: number) => (number === 0 ? path : `${path}.${number}`);

/** The rotated files that there are: number and path, the newest first. */
export function olderFiles(path: string): [number: number, path: string][] {
  const prefix = `${basename(path)}.`;
  const numbers = readdirSync(dirname(path))
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length))
    .filter((suffix) => /^[1-9]\d{0,5}$/.test(suffix))
    .map(Number);
  return numbers.sort((one, other) => one - other).map((number) => [number, nameOf(path, number)]);
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, (error, written) => (error ? reject(error) : resolve(written)));
  });
}

function truncateTo(fd: number, size: number): Promise<void> {
  return new Promise((resolve, reject) => {
    ftruncate(fd, size, (error) => (error ? reject(error) : resolve()));
  });
}
