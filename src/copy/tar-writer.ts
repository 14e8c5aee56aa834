import { SmolError } from "../errors.ts";
import { TAR_END, tarHeader, tarPadding } from "../image/tar/index.ts";
import { Holes, ZEROS } from "./holes.ts";
import { limits } from "./limits.ts";
import { broken, type RecordEvent } from "./reader.ts";
import { type Entry, Kind } from "./records.ts";

const TYPES: Readonly<Record<Entry["kind"], string>> = {
  [Kind.file]: "0",
  [Kind.link]: "1",
  [Kind.symlink]: "2",
  [Kind.directory]: "5",
};

/** Writes what a guest sends as a tar archive. Holes are written as zeros. */
export class TarWriter {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  /** Of the directories that are open, each with a slash; the first is the top's. */
  readonly #paths: string[] = [];
  readonly #topName: string;
  #file: { readonly size: number; written: number } | undefined;
  readonly #holes: Holes;
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
    this.#holes = new Holes(write, tooManyHoles);
  }

  async take(event: RecordEvent): Promise<void> {
    if (event.kind === "entry") await this.#entry(event.entry);
    else if (event.kind === "data") await this.#data(event.offset, event.bytes);
    else if (event.kind === "size") await this.#endFile();
    else if (event.kind === "up") this.#paths.pop();
    else if (event.kind === "end") await this.#write(TAR_END);
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
    await this.#write(tarHeader({ ...attributes, name, target, size, type: TYPES[kind] }));
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
    await this.#write(ZEROS.subarray(0, tarPadding(file.size)));
    this.#file = undefined;
  }

  /** Holes, and what a file has lost since its header was written. */
  async #zeros(file: { written: number }, end: number): Promise<void> {
    await this.#holes.fill(end - file.written);
    file.written = Math.max(file.written, end);
  }
}

const tooManyHoles = () =>
  new SmolError("copy.limit", `the files have holes of more than ${limits.tarHoleBytes} bytes`, {
    hint: "copy to a directory, which keeps holes: a tar to stdout has zeros for them",
  });

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(tarPadding(bytes.length))]);
