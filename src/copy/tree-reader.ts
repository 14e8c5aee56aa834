import { type BigIntStats, closeSync, fstatSync, readSync } from "node:fs";
import { seekSparse } from "../../ffi/libc.ts";
import { errnoOf, SmolError } from "../errors.ts";
import type { Directory } from "./directory.ts";
import { hostFailure } from "./failure.ts";
import { limits } from "./limits.ts";
import { type Attributes, type Entry, Kind, type RecordWriter } from "./records.ts";

/** What files have in the machine instead of what they have here. */
export interface Overrides {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Of files, not of directories. */
  readonly mode?: number | undefined;
}

export interface SendProgress {
  files: number;
  bytes: number;
}

export interface SendOptions {
  /** Owners are those of the host's files; else root's. */
  readonly archive: boolean;
  readonly overrides: Overrides;
  readonly progress: SendProgress;
  /** Throws when the copy is to end. */
  readonly check: () => void;
  readonly onSkipped: (path: string, why: string) => void;
}

/** Sends files of the host as records. Links are sent as links; what disappears meanwhile was not there. */
export class TreeReader {
  readonly #writer: RecordWriter;
  readonly #options: SendOptions;
  /** First names of files with several, from the top, by device and number. */
  readonly #linked = new Map<string, string>();

  constructor(writer: RecordWriter, options: SendOptions) {
    this.#writer = writer;
    this.#options = options;
  }

  /**
   * Sends one file, or a directory with what is in it.
   *
   * @param shown the path as the user wrote it, for messages
   * @param sentAs its name in the machine
   * @throws SmolError `copy.*`
   */
  async sendTop(directory: Directory, name: string, shown: string, sentAs: string): Promise<void> {
    await this.#send(directory, name, { shown, path: sentAs }, 0, sentAs);
  }

  /** Sends what is in a directory, without itself, and closes it. */
  async sendContents(directory: Directory, shown: string): Promise<void> {
    await this.#sendEntries(directory, { shown, path: "" }, 1);
  }

  async #send(directory: Directory, name: string, place: Place, depth: number, sentAs = name): Promise<void> {
    this.#options.check();
    const stat = attempt("read", place.shown, () => directory.find(name));
    if (stat === undefined) return;
    if (stat.isDirectory()) {
      const inside = attempt("read", place.shown, () => openAsSeen(directory, name));
      if (inside === undefined) return;
      this.#entry(Kind.directory, sentAs, inside.stat("."));
      await this.#sendEntries(inside, place, depth + 1);
      this.#writer.mark(Kind.up);
    } else if (stat.isFile()) {
      await this.#sendFile(directory, name, place, stat, sentAs);
    } else if (stat.isSymbolicLink()) {
      const target = attempt("read", place.shown, () => directory.readLink(name));
      this.#entry(Kind.symlink, sentAs, stat, target);
      this.#options.progress.files++;
    } else {
      this.#options.onSkipped(place.shown, "only files, directories and links are copied");
    }
    if (this.#writer.isFull) await this.#writer.flush();
  }

  async #sendEntries(directory: Directory, { shown, path }: Place, depth: number): Promise<void> {
    try {
      if (depth > limits.depth)
        throw new SmolError("copy.limit", `directories are nested deeper than ${limits.depth}: ${shown}`);
      for (const name of attempt("read", shown, () => directory.names())) {
        const text = Buffer.from(name, "latin1").toString();
        const place = { shown: `${shown}/${text}`, path: path === "" ? name : `${path}/${name}` };
        await this.#send(directory, name, place, depth);
      }
    } finally {
      directory.close();
    }
  }

  async #sendFile(
    directory: Directory,
    name: string,
    place: Place,
    stat: BigIntStats,
    sentAs: string,
  ): Promise<void> {
    const identity = stat.nlink > 1n ? `${stat.dev}:${stat.ino}` : undefined;
    const first = identity === undefined ? undefined : this.#linked.get(identity);
    if (first !== undefined) {
      this.#entry(Kind.link, sentAs, stat, first);
      this.#options.progress.files++;
      return;
    }
    const fd = attempt("read", place.shown, () => openUnlessGone(directory, name));
    if (fd === undefined) return;
    try {
      const opened = fstatSync(fd, { bigint: true });
      // Something else has taken the name since.
      if (!opened.isFile()) return;
      // A path that the guest's side could not hold is not worth a name in common.
      if (identity !== undefined && place.path.length <= limits.targetBytes)
        this.#linked.set(identity, place.path);
      this.#entry(Kind.file, sentAs, opened);
      await this.#sendBytes(fd, opened, place.shown);
      this.#options.progress.files++;
    } finally {
      closeSync(fd);
    }
  }

  async #sendBytes(fd: number, stat: BigIntStats, shown: string): Promise<void> {
    const size = Number(stat.size);
    const sparse = stat.blocks * 512n < stat.size;
    let offset = 0;
    // One without a size may have bytes nevertheless: those of /proc.
    const end = size === 0 ? limits.unsizedBytes : size;
    while (offset < end) {
      let stop = end;
      if (sparse) {
        const data = attempt("read", shown, () => seekSparse(fd, offset, "data"));
        if (data === undefined) {
          offset = end;
          break;
        }
        offset = data;
        stop = Math.min(seekSparse(fd, offset, "hole") ?? end, end);
      }
      const sent = await this.#sendPiece(fd, offset, stop, shown);
      offset = sent;
      // It has been cut meanwhile.
      if (sent < stop) break;
    }
    this.#writer.endFile(offset);
  }

  /** @returns where the bytes ended */
  async #sendPiece(fd: number, start: number, stop: number, shown: string): Promise<number> {
    const writer = this.#writer;
    for (let offset = start; offset < stop; ) {
      const length = Math.min(limits.segmentBytes, stop - offset);
      const room = writer.segmentRoom(length);
      const got = attempt("read", shown, () => readSync(fd, room, 0, length, offset));
      if (got === 0) return offset;
      writer.filled(offset, got);
      offset += got;
      this.#options.progress.bytes += got;
      if (writer.isFull) {
        await writer.flush();
        this.#options.check();
      }
    }
    return stop;
  }

  #entry(kind: Entry["kind"], name: string, stat: BigIntStats, target = ""): void {
    const { archive, overrides } = this.#options;
    const mode = kind === Kind.file ? overrides.mode : undefined;
    const attributes: Attributes = {
      mode: mode ?? Number(stat.mode) & 0o7777,
      uid: overrides.uid ?? (archive ? Number(stat.uid) : 0),
      gid: overrides.gid ?? (archive ? Number(stat.gid) : 0),
      ...timeOf(stat.mtimeNs),
    };
    const size = kind === Kind.file ? Number(stat.size) : 0;
    this.#writer.entry({ kind, name, target, attributes, size, hasMoreNames: stat.nlink > 1n });
  }
}

interface Place {
  /** For messages. */
  readonly shown: string;
  /** Of names as they are sent. */
  readonly path: string;
}

const SECOND = 1_000_000_000n;

function timeOf(nanoseconds: bigint): { seconds: bigint; nanoseconds: number } {
  const rest = ((nanoseconds % SECOND) + SECOND) % SECOND;
  return { seconds: (nanoseconds - rest) / SECOND, nanoseconds: Number(rest) };
}

function attempt<T>(action: string, shown: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw hostFailure(action, Buffer.from(shown).toString("latin1"), error);
  }
}

function openUnlessGone(directory: Directory, name: string): number | undefined {
  return unlessChanged(() => directory.openFile(name), ["ENOENT", "ELOOP"]);
}

/** Undefined when it has gone, or is no directory any more. */
function openAsSeen(directory: Directory, name: string): Directory | undefined {
  return unlessChanged(() => directory.openDirectory(name), ["ENOENT", "ENOTDIR", "ELOOP"]);
}

function unlessChanged<T>(open: () => T, codes: readonly string[]): T | undefined {
  try {
    return open();
  } catch (error) {
    if (codes.includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}
