/**
 * The records in which file trees travel between host and guest (docs/protocol.md, "Copies"; agent/records.h is the
 * other side). Names and targets are byte strings: one character for each byte.
 */
import { limits } from "./limits.ts";

export const Kind = {
  directory: 1,
  file: 2,
  symlink: 3,
  link: 4,
  up: 5,
  end: 6,
  skipped: 7,
  failure: 8,
  found: 9,
  into: 10,
  as: 11,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

export const RECORD_BYTES = 36;
export const SEGMENT_BYTES = 12;

/** Flag of a file: further names of it may follow. */
export const HAS_MORE_NAMES = 1;

export interface Attributes {
  /** Permissions, set-uid, set-gid and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** When the content was changed last, since the epoch. */
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

/** A file, a link or a directory, whose entries follow until its `up`. */
export interface Entry {
  readonly kind: typeof Kind.directory | typeof Kind.file | typeof Kind.symlink | typeof Kind.link;
  /** One component. Of the top of a download: empty. */
  readonly name: string;
  /** Of a symbolic link; of a further name (`link`): the path of the first one, of names as they were sent. */
  readonly target: string;
  readonly attributes: Attributes;
  /** Bytes of a file as far as is known before it is read. */
  readonly size: number;
  /** Further names of this file may follow. */
  readonly hasMoreNames: boolean;
}

export const NO_ATTRIBUTES: Attributes = { mode: 0, uid: 0, gid: 0, seconds: 0n, nanoseconds: 0 };

/** What is sent at once: what a pipe of the guest takes. */
const FLUSH_BYTES = 64 * 1024;

/** Gathers records, and sends them once there are enough. */
export class RecordWriter {
  #buffer = Buffer.allocUnsafe(2 * FLUSH_BYTES + limits.segmentBytes);
  #length = 0;
  readonly #send: (bytes: Uint8Array) => Promise<void>;

  /** @param send resolves when the bytes are not needed any more */
  constructor(send: (bytes: Uint8Array) => Promise<void>) {
    this.#send = send;
  }

  /** Whether it is time to `flush`. */
  get isFull(): boolean {
    return this.#length >= FLUSH_BYTES;
  }

  entry(entry: Entry): void {
    const { kind, name, target, attributes, size, hasMoreNames } = entry;
    this.#record(kind, hasMoreNames ? HAS_MORE_NAMES : 0, name, target, attributes, size);
  }

  /** A record without attributes. */
  mark(kind: typeof Kind.up | typeof Kind.end | typeof Kind.into | typeof Kind.as): void {
    this.#record(kind, 0, "", "", NO_ATTRIBUTES, 0);
  }

  #record(
    kind: Kind,
    flags: number,
    name: string,
    target: string,
    attributes: Attributes,
    size: number,
  ): void {
    const at = this.#room(RECORD_BYTES + name.length + target.length);
    const buffer = this.#buffer;
    const { mode, uid, gid, seconds, nanoseconds } = attributes;
    buffer[at] = kind;
    buffer[at + 1] = flags;
    buffer.writeUInt16BE(mode & 0o7777, at + 2);
    buffer.writeUInt32BE(uid, at + 4);
    buffer.writeUInt32BE(gid, at + 8);
    buffer.writeUInt32BE(nanoseconds, at + 12);
    buffer.writeBigInt64BE(seconds, at + 16);
    buffer.writeBigUInt64BE(BigInt(size), at + 24);
    buffer.writeUInt16BE(name.length, at + 32);
    buffer.writeUInt16BE(target.length, at + 34);
    buffer.write(name, at + RECORD_BYTES, "latin1");
    buffer.write(target, at + RECORD_BYTES + name.length, "latin1");
    this.#length = at + RECORD_BYTES + name.length + target.length;
  }

  /** Room for the bytes of a segment, valid until the next call; fill it, then say how many they are by `filled`. */
  segmentRoom(length: number): Buffer {
    const at = this.#room(SEGMENT_BYTES + length) + SEGMENT_BYTES;
    return this.#buffer.subarray(at, at + length);
  }

  /** The first bytes of `segmentRoom` are those of the file from `offset` on. */
  filled(offset: number, length: number): void {
    this.#segment(offset, length);
    this.#length += length;
  }

  /** Bytes of the file, at most a segment's. */
  segment(offset: number, bytes: Uint8Array): void {
    this.segmentRoom(bytes.length).set(bytes);
    this.filled(offset, bytes.length);
  }

  /** The file ends here: with a hole, if that is behind its last byte. */
  endFile(size: number): void {
    this.#room(SEGMENT_BYTES);
    this.#segment(size, 0);
  }

  #segment(offset: number, length: number): void {
    this.#buffer.writeBigUInt64BE(BigInt(offset), this.#length);
    this.#buffer.writeUInt32BE(length, this.#length + 8);
    this.#length += SEGMENT_BYTES;
  }

  async flush(): Promise<void> {
    if (this.#length === 0) return;
    const bytes = this.#buffer.subarray(0, this.#length);
    await this.#send(bytes);
    this.#length = 0;
  }

  /** @returns where so many more bytes begin */
  #room(length: number): number {
    const needed = this.#length + length;
    if (needed > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(needed * 2);
      this.#buffer.copy(grown, 0, 0, this.#length);
      this.#buffer = grown;
    }
    return this.#length;
  }
}
