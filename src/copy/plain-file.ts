/**
 * One file without a name around it: what the HTTP API sends and gets. The TypeScript package has this file in it, so it
 * uses nothing that Node 20 does not have.
 */
import { SmolError } from "../errors.ts";
import { type CopyProgress, type GuestSide, receiveFrom, sendTo } from "./guest-side.ts";
import { Holes } from "./holes.ts";
import { limits } from "./limits.ts";
import { meansDirectory, noTarget } from "./names.ts";
import type { RecordEvent } from "./reader.ts";
import { Kind, type RecordWriter } from "./records.ts";
import type { Overrides, SendOptions } from "./tree-reader.ts";

/** Of what is sent at once. */
const PIECE_BYTES = 64 * 1024;

/**
 * Sends the content of a file, whose size nobody needs to know before its end.
 *
 * @throws what `check` throws; `copy.limit` for a file that no filesystem of a guest can hold
 */
async function sendContent(
  content: AsyncIterable<Uint8Array>,
  writer: RecordWriter,
  {
    overrides,
    progress,
    check,
  }: Pick<SendOptions, "overrides" | "check"> & { readonly progress: CopyProgress },
): Promise<void> {
  const { mode = 0o644, uid = 0, gid = 0 } = overrides;
  const now = Date.now();
  const attributes = {
    ...{ mode, uid, gid, seconds: BigInt(Math.floor(now / 1000)) },
    nanoseconds: (now % 1000) * 1_000_000,
  };
  // The guest gives it the name of the path that was asked for.
  const file = { kind: Kind.file, name: "copy", target: "", size: 0, hasMoreNames: false };
  writer.entry({ ...file, attributes });
  progress.files++;
  let size = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      check();
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      if (size + piece.length > limits.fileBytes)
        throw new SmolError("copy.limit", `the file has more than ${limits.fileBytes} bytes`);
      writer.segment(size, piece);
      size += piece.length;
      progress.bytes += piece.length;
      if (writer.isFull) await writer.flush();
    }
  }
  writer.endFile(size);
}

/**
 * Makes a file in a machine of a content. It appears when it is complete.
 *
 * @param request.path in the machine
 * @throws as `sendTo`
 */
export async function sendFile(
  guest: GuestSide,
  request: {
    readonly path: string;
    readonly content: AsyncIterable<Uint8Array>;
    readonly overrides?: Overrides | undefined;
    readonly progress: CopyProgress;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const { path, content, overrides = {}, progress, signal } = request;
  await sendTo(guest, signal, async (writer, found, check) => {
    if (found === "directory")
      throw new SmolError("copy.in_the_way", `in the machine: ${path} is a directory`);
    if (meansDirectory(path)) throw noTarget(`${path} in the machine`);
    writer.mark(Kind.as);
    await sendContent(content, writer, { overrides, progress, check });
  });
}

/**
 * Gets the content of a machine's file.
 *
 * @throws as `receiveFrom`; SmolError `copy.guest_file` when it is a directory or a link; `copy.limit`
 */
export async function receiveFile(
  guest: GuestSide,
  path: string,
  target: FileTarget,
  { progress, signal }: { readonly progress: CopyProgress; readonly signal?: AbortSignal | undefined },
): Promise<void> {
  const writer = new FileWriter(path, target);
  await receiveFrom(guest, { path, signal, progress, onSkipped: () => {} }, (event) => writer.take(event));
}

/** Takes the content of one file. */
export interface FileTarget {
  /** It is there, and is a file: its content comes. */
  begin(): void;
  /** Resolves when the bytes are not needed any more. */
  write(bytes: Uint8Array): Promise<void>;
}

/** Passes the content of the one file on that a guest sends; holes are zeros. */
class FileWriter {
  readonly #path: string;
  readonly #target: FileTarget;
  readonly #holes: Holes;
  #written = 0;

  /** @param path as it was asked for, for messages */
  constructor(path: string, target: FileTarget) {
    this.#path = path;
    this.#target = target;
    this.#holes = new Holes(
      (bytes) => target.write(bytes),
      () => new SmolError("copy.limit", `the file has holes of more than ${limits.tarHoleBytes} bytes`),
    );
  }

  /** @throws SmolError `copy.guest_file` when it is a directory or a link; `copy.limit` */
  async take(event: RecordEvent): Promise<void> {
    if (event.kind === "entry") {
      if (event.entry.kind !== Kind.file)
        throw new SmolError("copy.guest_file", `in the machine: ${this.#path} is no file`);
      this.#target.begin();
    } else if (event.kind === "data") {
      await this.#zeros(event.offset);
      await this.#target.write(event.bytes);
      this.#written += event.bytes.length;
    } else if (event.kind === "size") {
      await this.#zeros(event.size);
    }
  }

  async #zeros(end: number): Promise<void> {
    await this.#holes.fill(end - this.#written);
    this.#written = Math.max(this.#written, end);
  }
}
