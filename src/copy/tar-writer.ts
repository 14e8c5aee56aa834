import { SmolError } from "../errors.ts";
import { limits } from "./limits.ts";
import { broken, type RecordEvent } from "./reader.ts";
import { type Entry, Kind } from "./records.ts";

const BLOCK = 512;
const ZEROS = Buffer.alloc(64 * 1024);

/** The largest numbers of a header's octal fields; larger ones are PAX records. */
const MOST = { size: 8 ** 11, id: 8 ** 7, seconds: BigInt(8 ** 11) } as const;

const TYPES: Readonly<Record<Entry["kind"], string>> = {
  [Kind.file]: "0",
  [Kind.link]: "1",
  [Kind.symlink]: "2",
  [Kind.directory]: "5",
};

/**
 * Writes what a guest sends as a tar archive: ustar (POSIX.1-1988) headers, and PAX records (POSIX.1-2001) for what those
 * cannot hold: long names, fractions of seconds, large sizes and numbers. Holes are written as zeros.
 */
export class TarWriter {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  /** Of the directories that are open, each with a slash; the first is the top's. */
  readonly #paths: string[] = [];
  readonly #topName: string;
  #file: { readonly size: number; written: number } | undefined;
  /** Bytes of holes, so far. */
  #holes = 0;
  /** Files that may get further names, by their path from the top. */
  readonly #linked = new Set<string>();
  /** A file whose size is not known before it is read. */
  #unsized:
    | { readonly entry: Entry; readonly path: string; readonly parts: Buffer[]; bytes: number }
    | undefined;

  /** @param topName what the archive calls the top; `.` for contents */
  constructor(topName: string, write: (bytes: Uint8Array) => Promise<void>) {
    this.#topName = topName;
    this.#write = write;
  }

  async take(event: RecordEvent): Promise<void> {
    if (event.kind === "entry") await this.#entry(event.entry);
    else if (event.kind === "data") await this.#data(event.offset, event.bytes);
    else if (event.kind === "size") await this.#endFile();
    else if (event.kind === "up") this.#paths.pop();
    // Two blocks of zeros end an archive; tar pads it to its record of 20 blocks, and so do we.
    else if (event.kind === "end") await this.#write(ZEROS.subarray(0, 20 * BLOCK));
  }

  async #entry(entry: Entry): Promise<void> {
    const above = this.#paths.at(-1);
    const path = above === undefined ? this.#topName : above + entry.name;
    if (entry.kind === Kind.link && !this.#linked.has(entry.target))
      throw broken("a further name of what was not sent");
    if (entry.hasMoreNames && above !== undefined) this.#remember(path);
    if (entry.kind === Kind.directory) this.#paths.push(`${path}/`);
    if (entry.kind === Kind.file && entry.size === 0) {
      this.#unsized = { entry, path, parts: [], bytes: 0 };
      return;
    }
    await this.#header(entry, path, entry.size);
    if (entry.kind === Kind.file) this.#file = { size: entry.size, written: 0 };
  }

  #remember(path: string): void {
    if (this.#linked.size === limits.linkedFiles)
      throw new SmolError("copy.limit", `more than ${limits.linkedFiles} files have several names`);
    this.#linked.add(path.slice((this.#paths[0] as string).length));
  }

  async #header(entry: Entry, path: string, size: number): Promise<void> {
    const { kind, attributes } = entry;
    const target = kind === Kind.link ? (this.#paths[0] ?? "") + entry.target : entry.target;
    const name = kind === Kind.directory ? `${path}/` : path;
    const { seconds, nanoseconds, uid, gid, mode } = attributes;
    const records: [string, string][] = [];
    if (name.length > 100) records.push(["path", name]);
    if (target.length > 100) records.push(["linkpath", target]);
    if (size >= MOST.size) records.push(["size", String(size)]);
    if (uid >= MOST.id) records.push(["uid", String(uid)]);
    if (gid >= MOST.id) records.push(["gid", String(gid)]);
    if (nanoseconds > 0 || seconds < 0n || seconds >= MOST.seconds)
      records.push(["mtime", decimal(seconds, nanoseconds)]);
    const fields = { mode, uid, gid, seconds: seconds < 0n ? 0n : seconds };
    if (records.length > 0) {
      const body = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(""), "latin1");
      const about = { ...fields, mode: 0o644, name: `${name.slice(0, 90)}.pax`, target: "", type: "x" };
      await this.#write(Buffer.concat([headerBlock({ ...about, size: body.length }), padded(body)]));
    }
    await this.#write(headerBlock({ ...fields, name, target, size, type: TYPES[kind] }));
  }

  async #data(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#unsized !== undefined) {
      this.#unsized.bytes += bytes.length;
      if (this.#unsized.bytes > limits.unsizedBytes)
        throw new SmolError("copy.limit", "a file that says it is empty has too many bytes for a tar");
      this.#unsized.parts.push(Buffer.from(bytes));
      return;
    }
    const file = this.#file;
    if (file === undefined) return;
    await this.#zeros(file, Math.min(offset, file.size));
    // What a file has grown by since its header was written has no place.
    const fitting = bytes.subarray(0, Math.max(0, file.size - file.written));
    // A copy: the bytes are the reader's, and the writer may keep them.
    if (fitting.length > 0) await this.#write(fitting);
    file.written += fitting.length;
  }

  async #endFile(): Promise<void> {
    const unsized = this.#unsized;
    if (unsized !== undefined) {
      this.#unsized = undefined;
      await this.#header(unsized.entry, unsized.path, unsized.bytes);
      await this.#write(padded(Buffer.concat(unsized.parts)));
      return;
    }
    const file = this.#file;
    if (file === undefined) return;
    await this.#zeros(file, file.size);
    await this.#write(ZEROS.subarray(0, paddingOf(file.size)));
    this.#file = undefined;
  }

  /** Holes, and what a file has lost since its header was written. */
  async #zeros(file: { written: number }, end: number): Promise<void> {
    this.#holes += Math.max(0, end - file.written);
    if (this.#holes > limits.tarHoleBytes)
      throw new SmolError("copy.limit", `the files have holes of more than ${limits.tarHoleBytes} bytes`, {
        hint: "copy to a directory, which keeps holes: a tar to stdout has zeros for them",
      });
    while (file.written < end) {
      const length = Math.min(end - file.written, ZEROS.length);
      await this.#write(ZEROS.subarray(0, length));
      file.written += length;
    }
  }
}

interface Header {
  readonly name: string;
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: bigint;
  readonly type: string;
}

/** Numbers that do not fit are in a PAX record. */
function headerBlock({ name, target, mode, uid, gid, size, seconds, type }: Header): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number | bigint, at: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, "0"), at, "latin1");
  block.write(name.slice(0, 100), 0, "latin1");
  octal(mode, 100, 7);
  octal(uid < MOST.id ? uid : 0, 108, 7);
  octal(gid < MOST.id ? gid : 0, 116, 7);
  octal(size < MOST.size ? size : 0, 124, 11);
  octal(seconds < MOST.seconds ? seconds : 0n, 136, 11);
  block.write(`        ${type}`, 148, "latin1");
  block.write(target.slice(0, 100), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

/** Seconds since the epoch: before it, -0.5 is half a second before. */
function decimal(seconds: bigint, nanoseconds: number): string {
  const total = seconds * 1_000_000_000n + BigInt(nanoseconds);
  const size = total < 0n ? -total : total;
  const fraction = (size % 1_000_000_000n).toString().padStart(9, "0");
  return `${total < 0n ? "-" : ""}${size / 1_000_000_000n}.${fraction}`;
}

const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(paddingOf(bytes.length))]);
