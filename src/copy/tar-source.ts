import { errnoOf, SmolError } from "../errors.ts";
import { type SparseRun, type TarEntry, type TarHandler, TarReader } from "../image/tar/index.ts";
import { printable } from "./failure.ts";
import { limits } from "./limits.ts";
import { isName } from "./reader.ts";
import { type Attributes, type Entry, Kind, type RecordWriter } from "./records.ts";
import type { SendOptions } from "./tree-reader.ts";

/** Of what is written at once: what a reader of standard input gets. */
const PIECE_BYTES = 64 * 1024;

/**
 * Sends the members of a tar archive as records, in the order in which they come. Directories that no member describes
 * are made; one that a later member returns to is entered again, as it is then.
 *
 * @throws SmolError `copy.bad_archive`; what `check` throws
 */
export async function sendTar(
  source: AsyncIterable<Uint8Array>,
  writer: RecordWriter,
  options: SendOptions,
): Promise<void> {
  const converter = new Converter(writer, options);
  const reader = new TarReader(converter);
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      options.check();
      judged(() => reader.write(chunk.subarray(at, at + PIECE_BYTES)));
      if (writer.isFull) await writer.flush();
    }
  }
  judged(() => reader.finish());
  converter.finish();
}

/** The reader speaks of images. */
function judged(work: () => void): void {
  try {
    work();
  } catch (error) {
    const code = errnoOf(error);
    if (!(error instanceof SmolError) || (code !== "image.bad_archive" && code !== "image.limit"))
      throw error;
    throw badArchive(error.message, error);
  }
}

function badArchive(what: string, cause?: unknown): SmolError {
  return new SmolError("copy.bad_archive", `standard input cannot be copied: ${what}`, {
    hint: "it has to be an uncompressed tar archive: tar -c DIR | smolvm cp - NAME:PATH",
    cause,
  });
}

const KINDS = { directory: Kind.directory, file: Kind.file, symlink: Kind.symlink, link: Kind.link } as const;

class Converter implements TarHandler {
  readonly #writer: RecordWriter;
  readonly #options: SendOptions;
  /** Names of the directories that are open. */
  readonly #open: string[] = [];
  #file:
    | { readonly size: number; readonly runs: readonly SparseRun[]; run: number; done: number }
    | undefined;

  constructor(writer: RecordWriter, options: SendOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  entry(member: TarEntry): void {
    const path = partsOf(member.path);
    const kind = KINDS[member.type as keyof typeof KINDS];
    if (kind === undefined) {
      this.#options.onSkipped(printable(member.path), "only files, directories and links are copied");
      return;
    }
    const name = path.pop();
    // The target itself, which keeps what it has.
    if (name === undefined) return;
    if (kind === Kind.directory) {
      this.#enter([...path, name], member);
      return;
    }
    this.#enter(path, undefined);
    const target = kind === Kind.link ? partsOf(member.target).join("/") : member.target;
    if (target.length > limits.targetBytes || target.includes("\0") || (kind !== Kind.file && target === ""))
      throw badArchive(`the target of the link ${printable(member.path)}`);
    const size = kind === Kind.file ? member.size : 0;
    const attributes = this.#attributes(member, kind);
    this.#writer.entry({
      kind,
      name,
      target: kind === Kind.file ? "" : target,
      attributes,
      size,
      hasMoreNames: false,
    });
    this.#options.progress.files++;
    if (kind !== Kind.file) return;
    this.#file = { size, runs: member.runs ?? [{ offset: 0, length: size }], run: 0, done: 0 };
  }

  data(bytes: Uint8Array): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#options.progress.bytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const run = file.runs[file.run];
      if (run === undefined) return;
      const length = Math.min(run.length - file.done, bytes.length - at);
      if (length > 0) this.#writer.segment(run.offset + file.done, bytes.subarray(at, at + length));
      at += length;
      file.done += length;
      if (file.done === run.length) {
        file.run++;
        file.done = 0;
      }
    }
  }

  end(): void {
    if (this.#file !== undefined) this.#writer.endFile(this.#file.size);
    this.#file = undefined;
  }

  finish(): void {
    while (this.#open.pop() !== undefined) this.#writer.mark(Kind.up);
  }

  /** Makes these directories the open ones. @param member the one that describes the last of them */
  #enter(path: readonly string[], member: TarEntry | undefined): void {
    if (path.length > limits.depth) throw badArchive(`directories are nested deeper than ${limits.depth}`);
    let shared = 0;
    while (shared < path.length && shared < this.#open.length && path[shared] === this.#open[shared])
      shared++;
    while (this.#open.length > shared) {
      this.#open.pop();
      this.#writer.mark(Kind.up);
    }
    for (let index = shared; index < path.length; index++) {
      const name = path[index] as string;
      const isLast = index === path.length - 1;
      const attributes = this.#attributes(isLast ? member : undefined, Kind.directory);
      const entry = { kind: Kind.directory, name, target: "", attributes, size: 0, hasMoreNames: false };
      this.#writer.entry(entry);
      this.#open.push(name);
    }
  }

  #attributes(member: TarEntry | undefined, kind: Entry["kind"]): Attributes {
    const { archive, overrides } = this.#options;
    const own = member?.attributes;
    const now = Date.now();
    return {
      mode: (kind === Kind.file ? overrides.mode : undefined) ?? own?.permissions ?? 0o755,
      uid: overrides.uid ?? (archive ? (own?.uid ?? 0) : 0),
      gid: overrides.gid ?? (archive ? (own?.gid ?? 0) : 0),
      seconds: BigInt(own?.seconds ?? Math.floor(now / 1000)),
      nanoseconds: own?.nanoseconds ?? 0,
    };
  }
}

/** Components of a member's path. A leading slash means nothing, as tar has it. @throws SmolError `copy.bad_archive` */
function partsOf(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  for (const part of parts) {
    if (!isName(part) || part.length > limits.nameBytes)
      throw badArchive(`the name ${printable(path)} leads out of the archive, or is too long`);
  }
  return parts;
}
