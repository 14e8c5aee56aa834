/** The files of a rotated log as a reader sees them, while another process may write and rotate them. */
import { closeSync, fstatSync, openSync, read } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { olderFiles } from "./rotating-file.ts";

/**
 * How often the files may be renamed while they are opened, which takes some microseconds; between two renames lie
 * megabytes of output.
 */
const ATTEMPTS = 20;

/** A line longer than this is none that a writer of ours has made. */
const MAX_LINE_BYTES = 1024 * 1024;
const BLOCK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Part of a file: a line without its newline, and where it begins. */
export interface RawLine {
  readonly position: number;
  /** Undefined for a line that is too long to be one. */
  readonly bytes: Uint8Array | undefined;
}

/** An open file of a log. It stays the same file when it is renamed or removed. */
export class LogFile {
  /** Which file it is, as long as it is open: device and inode. */
  readonly identity: string;
  /** The next line begins here. */
  position = 0;
  /** What lies behind this is not read. */
  #end = Number.POSITIVE_INFINITY;
  readonly #fd: number;
  #block = new Uint8Array(0);

  constructor(fd: number) {
    this.#fd = fd;
    const { ino, dev } = fstatSync(fd);
    this.identity = `${dev}:${ino}`;
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** From now on it has what it has now, whatever is written to it. */
  freeze(): void {
    this.#end = this.#size();
  }

  /** The lines from `position` up to the last newline that is there now. */
  async *lines(): AsyncGenerator<RawLine, void, void> {
    if (this.#block.length === 0) this.#block = new Uint8Array(BLOCK_BYTES);
    let begun: Uint8Array[] = [];
    let length = 0;
    for (let offset = this.position; ; ) {
      const size = Math.min(await readAt(this.#fd, this.#block, offset), this.#end - offset);
      if (size <= 0) return;
      offset += size;
      for (let start = 0; start < size; ) {
        const newline = this.#block.subarray(0, size).indexOf(NEWLINE, start);
        const part = this.#block.slice(start, newline < 0 ? size : newline);
        start += part.length + 1;
        length += part.length;
        if (length <= MAX_LINE_BYTES) begun.push(part);
        else begun = [];
        if (newline < 0) continue;
        const line = { position: this.position, bytes: length > MAX_LINE_BYTES ? undefined : join(begun) };
        this.position += length + 1;
        begun = [];
        length = 0;
        yield line;
      }
    }
  }

  /** Whether there is something behind the last line that was read: the start of a line whose end never came. */
  hasRest(): boolean {
    return this.#size() > this.position;
  }

  /** The lines that end in a newline, the last one first. */
  async *linesBackwards(): AsyncGenerator<RawLine, void, void> {
    let end = this.#size();
    /** What lies behind `end` and belongs to a line that begins before it; undefined: no newline was seen yet. */
    let rest: Uint8Array[] | undefined;
    let length = 0;
    while (end > 0) {
      const start = Math.max(0, end - BLOCK_BYTES);
      const block = new Uint8Array(end - start);
      // Less only if somebody else has made it shorter.
      if ((await readAt(this.#fd, block, start)) < block.length) return;
      for (let stop = block.length; stop > 0; ) {
        const newline = block.lastIndexOf(NEWLINE, stop - 1);
        const part = block.subarray(newline + 1, stop);
        length += part.length;
        if (length <= MAX_LINE_BYTES) rest?.unshift(part);
        else if (rest !== undefined) rest = [];
        stop = Math.max(0, newline);
        if (newline < 0) break;
        if (rest !== undefined)
          yield { position: start + newline + 1, bytes: length > MAX_LINE_BYTES ? undefined : join(rest) };
        rest = [];
        length = 0;
      }
      end = start;
    }
    if (rest !== undefined) yield { position: 0, bytes: length > MAX_LINE_BYTES ? undefined : join(rest) };
  }

  #size(): number {
    return Math.min(fstatSync(this.#fd).size, this.#end);
  }
}

/** Files of a log, the oldest first; the last one is the current one, if that is there. */
export interface OpenFiles {
  readonly files: LogFile[];
  /** Whether the file that they were to follow was there; there is nothing between it and them then. */
  readonly follows: boolean;
}

/**
 * Opens the files of a log.
 *
 * @param behind identity of a file: only those that are newer are opened, and all of them when it is there no more
 */
export function openFiles(path: string, behind?: string): OpenFiles {
  for (let attempt = 1; ; attempt++) {
    const open = openAsTheyAre(path, behind);
    const current = openIfThere(path);
    current?.close();
    // A file that has come since tells that others may be missing, or in the wrong order.
    const last = open.files.at(-1)?.identity ?? behind;
    if (current === undefined || current.identity === last || attempt === ATTEMPTS) return open;
    for (const file of open.files) file.close();
  }
}

/** The current one first: while they are renamed, a file may be met twice, and none is missed but the oldest. */
function openAsTheyAre(path: string, behind: string | undefined): OpenFiles {
  const files: LogFile[] = [];
  const seen = new Set<string>();
  for (const name of names(path)) {
    const file = openIfThere(name);
    if (file === undefined) continue;
    const { identity } = file;
    if (identity === behind) {
      file.close();
      return { files, follows: true };
    }
    if (seen.has(identity)) file.close();
    else files.unshift(file);
    seen.add(identity);
  }
  return { files, follows: false };
}

/** The older ones are looked for once the current one is open: then a file that is renamed meanwhile is noticed. */
function* names(path: string): Generator<string, void, void> {
  yield path;
  try {
    for (const [, name] of olderFiles(path)) yield name;
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}

function openIfThere(path: string): LogFile | undefined {
  try {
    return new LogFile(openSync(path, "r"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
}

function readAt(fd: number, target: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, 0, target.length, position, (error, size) => (error ? reject(error) : resolve(size)));
  });
}
