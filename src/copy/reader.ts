import { SmolError } from "../errors.ts";
import { limits } from "./limits.ts";
import { type Entry, HAS_MORE_NAMES, Kind, RECORD_BYTES, SEGMENT_BYTES } from "./records.ts";

/** What comes in, in order. */
export type RecordEvent =
  | { readonly kind: "entry"; readonly entry: Entry }
  /** Bytes of the file that was announced last; valid until the next event is asked for. */
  | { readonly kind: "data"; readonly offset: number; readonly bytes: Uint8Array }
  /** The file is complete: its real size. */
  | { readonly kind: "size"; readonly size: number }
  | { readonly kind: "up" }
  | { readonly kind: "skipped"; readonly name: string }
  | { readonly kind: "found"; readonly what: Found }
  | { readonly kind: "failure"; readonly errno: number; readonly text: string }
  | { readonly kind: "end" };

export type Found = "nothing" | "directory" | "other";
const FOUND: readonly Found[] = ["nothing", "directory", "other"];

/** What a guest sends breaks the format: nothing after it means anything. */
export const broken = (what: string): SmolError =>
  new SmolError("copy.malformed", `the machine sent what is no copy: ${what}`);

/** A name that can stand for one entry of a directory, and leads nowhere else. */
export const isName = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0");

/**
 * Reads records that a guest sends, cut anywhere. Whatever comes out keeps the rules of the format: names are single
 * components, directories are closed, sizes and numbers are in their limits; one top, and nothing behind the end.
 *
 *     for await (const chunk of source) for (const event of reader.read(chunk)) …
 *     reader.finish();
 */
export class RecordReader {
  #held: Buffer = Buffer.alloc(0);
  #depth = 0;
  #tops = 0;
  #entries = 0;
  #ended = false;
  /** In a file: where its next byte can be at the earliest. */
  #file: { position: number; left: number } | undefined;

  /** The events that these bytes complete. @throws SmolError `copy.malformed`, `copy.limit` */
  *read(chunk: Uint8Array): Generator<RecordEvent, void, void> {
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
    if (this.#held.length > 0) bytes = Buffer.concat([this.#held, bytes]);
    let at = 0;
    for (;;) {
      const left = bytes.length - at;
      if (this.#ended && left > 0) throw broken("something follows its end");
      if (this.#file !== undefined && this.#file.left > 0) {
        const length = Math.min(this.#file.left, left);
        if (length === 0) break;
        yield { kind: "data", offset: this.#file.position, bytes: bytes.subarray(at, at + length) };
        this.#file.position += length;
        this.#file.left -= length;
        at += length;
      } else if (this.#file !== undefined) {
        if (left < SEGMENT_BYTES) break;
        const event = this.#segment(this.#file, bytes, at);
        at += SEGMENT_BYTES;
        if (event !== undefined) yield event;
      } else {
        const length = left < RECORD_BYTES ? RECORD_BYTES : recordLength(bytes, at);
        if (left < length) break;
        yield this.#record(bytes, at);
        at += length;
      }
    }
    // Less than a record: copied, because the chunk is its owner's again.
    this.#held = Buffer.from(bytes.subarray(at));
  }

  /** Whether the end, or a failure, was announced. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Nothing more comes. @throws SmolError `copy.malformed` unless the end was announced */
  finish(): void {
    if (!this.#ended) throw broken("it is cut off");
  }

  #segment(file: { position: number; left: number }, bytes: Buffer, at: number): RecordEvent | undefined {
    const offset = size(bytes, at);
    const length = bytes.readUInt32BE(at + 8);
    if (length > limits.segmentBytes) throw broken("a piece of a file is too long");
    if (offset < file.position) throw broken("the pieces of a file are not in order");
    if (offset + length > limits.fileBytes) throw beyond(`a file has more than ${limits.fileBytes} bytes`);
    if (length === 0) {
      this.#file = undefined;
      return { kind: "size", size: offset };
    }
    file.position = offset;
    file.left = length;
    return undefined;
  }

  #record(bytes: Buffer, at: number): RecordEvent {
    const kind = bytes[at];
    switch (kind) {
      case Kind.directory:
      case Kind.file:
      case Kind.symlink:
      case Kind.link:
        return { kind: "entry", entry: this.#entry(kind, bytes, at) };
      case Kind.up:
        if (this.#depth === 0) throw broken("a directory ends that has not begun");
        this.#depth--;
        return { kind: "up" };
      case Kind.skipped:
        if (this.#depth === 0) this.#beginTop();
        return { kind: "skipped", name: nameOf(bytes, at, this.#depth) };
      case Kind.found:
        return { kind: "found", what: FOUND[bytes[at + 1] as number] ?? wrong("an answer") };
      case Kind.failure:
        this.#ended = true;
        return { kind: "failure", errno: errnoIn(bytes, at), text: targetOf(bytes, at) };
      case Kind.end:
        if (this.#depth > 0) throw broken("a directory does not end");
        this.#ended = true;
        return { kind: "end" };
      default:
        throw broken(`a record of kind ${kind}`);
    }
  }

  #entry(kind: Entry["kind"], bytes: Buffer, at: number): Entry {
    const name = nameOf(bytes, at, this.#depth);
    if (this.#depth === 0) this.#beginTop();
    if (++this.#entries > limits.entries) throw beyond(`there are more than ${limits.entries} entries`);
    if (kind === Kind.directory && ++this.#depth > limits.depth)
      throw beyond(`directories are nested deeper than ${limits.depth}`);
    const target = targetOf(bytes, at);
    const isLink = kind === Kind.symlink || kind === Kind.link;
    if (isLink ? target === "" || target.includes("\0") : target !== "") throw broken("the target of a link");
    // A further name is that of a file of this copy, by its path from the top.
    if (kind === Kind.link && !target.split("/").every(isName)) throw broken("the file of a further name");
    const nanoseconds = bytes.readUInt32BE(at + 12);
    const mode = bytes.readUInt16BE(at + 2);
    if (nanoseconds > 999_999_999 || mode > 0o7777) throw broken("an attribute of a file");
    const announced = size(bytes, at + 24);
    if (announced > limits.fileBytes) throw beyond(`a file has more than ${limits.fileBytes} bytes`);
    if (kind === Kind.file) this.#file = { position: 0, left: 0 };
    return {
      ...{ kind, name, target, size: announced },
      hasMoreNames: kind === Kind.file && (bytes[at + 1] as number) === HAS_MORE_NAMES,
      attributes: {
        mode,
        uid: bytes.readUInt32BE(at + 4),
        gid: bytes.readUInt32BE(at + 8),
        seconds: bytes.readBigInt64BE(at + 16),
        nanoseconds,
      },
    };
  }

  #beginTop(): void {
    if (++this.#tops > 1) throw broken("more than what was asked for");
  }
}

/** Of a record whose header is there. */
function recordLength(bytes: Buffer, at: number): number {
  const name = bytes.readUInt16BE(at + 32);
  const target = bytes.readUInt16BE(at + 34);
  if (name > limits.nameBytes || target > limits.targetBytes) throw broken("a name is too long");
  return RECORD_BYTES + name + target;
}

/** The top has the name that the host gives it. */
function nameOf(bytes: Buffer, at: number, depth: number): string {
  const start = at + RECORD_BYTES;
  const name = bytes.toString("latin1", start, start + bytes.readUInt16BE(at + 32));
  if (depth === 0 ? name !== "" : !isName(name)) throw broken("a name that is none");
  return name;
}

function targetOf(bytes: Buffer, at: number): string {
  const start = at + RECORD_BYTES + bytes.readUInt16BE(at + 32);
  return bytes.toString("latin1", start, start + bytes.readUInt16BE(at + 34));
}

function size(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64BE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw beyond("a size is too large");
  return Number(value);
}

/** As Linux numbers them; 0: the failure is not a system call's. */
function errnoIn(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64BE(at + 24);
  return value > 4095n ? wrong("the number of an error") : Number(value);
}

function wrong(what: string): never {
  throw broken(what);
}

const beyond = (what: string): SmolError =>
  new SmolError("copy.limit", `the machine sent more than is copied at once: ${what}`);
