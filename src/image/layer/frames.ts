import { readSync } from "node:fs";
import { BLOCK, MAX_CHUNKS, RunWriter } from "../erofs/index.ts";
import { limits } from "../limits.ts";
import { DamagedEntries, EntryDecoder } from "./decode.ts";
import { encodeEntry, PLACE_BYTES, recordSize, writePlace } from "./encode.ts";
import type { LayerEntry } from "./entry.ts";
import { decodeHeader, HEADER_BYTES } from "./header.ts";

/**
 * A layer's `.entries` file is its head (header.ts), then frames up to the end:
 *
 *     frame   u32 bytes of the records, u32 count of records, u64 xxHash64 of the records (seed: number of the frame,
 *             from 0), the records (encode.ts)
 */
const FRAME_HEAD = 16;
/** A frame ends with the record that passes this. */
const FRAME = 256 * 1024;
/** What a single record can have: two paths, attributes, the ranges of a sparse file. */
const MAX_RECORD = 2 * limits.pathBytes + 2 * limits.xattrBytes + 8 * MAX_CHUNKS + 1024;
/** Records that wait for the places of small files are held in memory up to here. */
const MAX_WAITING = 4 * 1024 * 1024;

interface Frame {
  readonly bytes: Buffer;
  used: number;
  records: number;
}

/** Writes the entries of a layer in the order of the archive, though the place of small files is known only later. */
export class EntriesWriter {
  readonly #run: RunWriter;
  #waiting: Frame[] = [];
  #position = HEADER_BYTES;
  #frames = 0;

  /** @param fd an empty file, open for writing. */
  constructor(fd: number) {
    this.#run = new RunWriter(fd);
  }

  /** Whether it is time for `flush`. */
  get isFull(): boolean {
    return this.#waiting.length * FRAME >= MAX_WAITING;
  }

  /** @returns a number that names the entry until the next `flush`: for a small file, whose place `place` tells. */
  add(entry: LayerEntry): number {
    const frame = this.#room(recordSize(entry));
    frame.used = encodeEntry(frame.bytes, frame.used, entry);
    frame.records++;
    return (this.#waiting.length - 1) * 2 ** 32 + frame.used - PLACE_BYTES;
  }

  /** Fills in where a small file is. */
  place(ticket: number, position: number, bytes: number): void {
    const frame = this.#waiting[Math.floor(ticket / 2 ** 32)];
    if (frame === undefined) throw new Error("an entry that was written already");
    writePlace(frame.bytes, ticket % 2 ** 32, position, bytes);
  }

  /** Writes the entries so far; all small files among them must have their places. */
  flush(): void {
    for (const frame of this.#waiting) {
      const records = frame.bytes.subarray(FRAME_HEAD, frame.used);
      frame.bytes.writeUInt32LE(records.length, 0);
      frame.bytes.writeUInt32LE(frame.records, 4);
      frame.bytes.writeBigUInt64LE(Bun.hash.xxHash64(records, BigInt(this.#frames++)), 8);
      this.#run.append(this.#position, frame.bytes.subarray(0, frame.used));
      this.#position += frame.used;
    }
    this.#waiting = [];
  }

  /** Writes what is left. @returns the fields of the head that are known here. */
  finish(): { entriesBytes: number; frames: number } {
    this.flush();
    this.#run.flush();
    return { entriesBytes: this.#position, frames: this.#frames };
  }

  #room(size: number): Frame {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.used < FRAME && last.used + size <= last.bytes.length) return last;
    const bytes = Buffer.allocUnsafe(FRAME_HEAD + Math.max(FRAME, size));
    const frame = { bytes, used: FRAME_HEAD, records: 0 };
    this.#waiting.push(frame);
    return frame;
  }
}

/**
 * Reads a layer's entries, checked, one frame after the other.
 *
 * @param fd the `.entries` file.
 * @throws DamagedEntries when anything is not as it was written.
 */
export function* readEntries(fd: number): Generator<LayerEntry, void, undefined> {
  const header = decodeHeader(readAt(fd, 0, HEADER_BYTES));
  if (header === undefined || header.dataBytes % BLOCK !== 0)
    throw new DamagedEntries("the head is not valid");
  let position = HEADER_BYTES;
  let count = 0;
  for (let frame = 0; frame < header.frames; frame++) {
    const head = readAt(fd, position, FRAME_HEAD);
    const length = head.readUInt32LE(0);
    if (length > Math.max(FRAME, MAX_RECORD)) throw new DamagedEntries("a frame is too long");
    const records = readAt(fd, position + FRAME_HEAD, length);
    if (Bun.hash.xxHash64(records, BigInt(frame)) !== head.readBigUInt64LE(8)) {
      throw new DamagedEntries("the checksum of a frame is wrong");
    }
    const decoder = new EntryDecoder(records, header.dataBytes);
    let left = head.readUInt32LE(4);
    for (; !decoder.ended && left > 0; left--) yield decoder.next();
    if (!decoder.ended || left > 0) throw new DamagedEntries("a frame has another number of entries");
    count += head.readUInt32LE(4);
    position += FRAME_HEAD + length;
  }
  if (position !== header.entriesBytes || count > header.entries) {
    throw new DamagedEntries("the entries have another length");
  }
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, bytes, done, length - done, position + done);
    if (count === 0) throw new DamagedEntries("the file is too short");
    done += count;
  }
  return bytes;
}
