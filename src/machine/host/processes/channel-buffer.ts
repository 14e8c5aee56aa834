import { ByteRing } from "./byte-ring.ts";
import { Stamps } from "./stamps.ts";
import type { Wakeup } from "./wakeup.ts";

/** Parts of a channel whose order among the other's, and times, are known: 128 KiB of memory. */
const MOST_STAMPS = 8192;

/** Longest piece that is read at once. */
const PIECE_BYTES = 64 * 1024;

/** Consecutive bytes of a channel that were written at about the same time. */
export interface Piece {
  /** Where it begins: how many bytes the channel had before it. */
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** How many bytes are missing before it, because the reader was too slow. */
  readonly lost: number;
  readonly stamp: number;
}

/**
 * The last output of one channel, its readers, and those of them who hold what they have not taken. Bytes are addressed
 * by their offset from the process's start.
 */
export class ChannelBuffer {
  readonly #ring: ByteRing;
  readonly #stamps = new Stamps(MOST_STAMPS);
  readonly #holders = new Set<OutputReader>();
  readonly #news: Wakeup;
  readonly #room: Wakeup;
  #ended = false;

  /**
   * @param capacity most bytes that are kept
   * @param news wakes those who wait for output
   * @param room wakes those who wait for room
   */
  constructor(capacity: number, news: Wakeup, room: Wakeup) {
    this.#ring = new ByteRing(capacity);
    this.#news = news;
    this.#room = room;
  }

  get written(): number {
    return this.#ring.written;
  }

  get oldest(): number {
    return this.#ring.oldest;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /**
   * Adds output, one write after the other; waits for those who hold.
   *
   * @param stampNow for each part of it when it is added; undefined: the one of what was written before
   */
  async write(bytes: Uint8Array, stampNow: () => number | undefined): Promise<void> {
    const ring = this.#ring;
    for (let offset = 0; offset < bytes.length; ) {
      const room = this.#roomToWrite();
      if (room === 0) {
        await this.#room.wait();
        continue;
      }
      const part = bytes.subarray(offset, offset + room);
      offset += part.length;
      if (part.length > ring.free) ring.drop(part.length - ring.free);
      this.#stamps.dropBefore(ring.oldest);
      const stamp = stampNow();
      if (stamp !== undefined) this.#stamps.add(ring.written, stamp);
      ring.append(part);
      this.#news.wake();
    }
  }

  /** How much may be written now: what nobody holds may go. */
  #roomToWrite(): number {
    const { capacity, oldest, written } = this.#ring;
    const held = Math.min(written, ...[...this.#holders].map(({ needs }) => needs));
    return Math.max(held, oldest) + capacity - written;
  }

  end(): void {
    this.#ended = true;
    this.#ring.trim();
    this.#news.wake();
  }

  /** The stamp of what a reader at this offset gets next; undefined when there is nothing yet. */
  stampAt(offset: number): number | undefined {
    const next = Math.max(offset, this.oldest);
    return next < this.written ? this.#stamps.partAt(next).stamp : undefined;
  }

  /** What follows an offset, if anything is there. */
  pieceAt(offset: number): Piece | undefined {
    const start = Math.max(offset, this.oldest);
    if (start >= this.written) return undefined;
    const { stamp, end } = this.#stamps.partAt(start);
    const length = Math.min(PIECE_BYTES, this.written - start, end - start);
    return { offset: start, bytes: this.#ring.copy(start, length), lost: start - offset, stamp };
  }

  /** Where the last `bytes` begin, or the first line within them if there is one. */
  startOfLast(bytes: number): number {
    const { oldest, written } = this;
    const start = Math.max(oldest, written - bytes);
    if (start === 0 || start === written) return start;
    const before = Math.max(oldest, start - 1);
    const newline = this.#ring.copy(before, written - before).indexOf(0x0a);
    const line = before + newline + 1;
    return newline < 0 || line === written ? start : line;
  }

  /**
   * Begins to read at an offset.
   *
   * @param hold the process waits for this reader, and so many bytes before what it has dealt with are kept for it;
   * undefined: it misses what it is too slow for
   */
  reader(offset: number, hold?: number): OutputReader {
    // The other half is for what it has not taken yet.
    const kept = Math.min(hold ?? 0, this.#ring.capacity >> 1);
    const reader = new OutputReader(this, offset, kept, this.#news, {
      onProgress: () => this.#room.wake(),
      onClose: () => {
        this.#holders.delete(reader);
        this.#room.wake();
        this.#news.wake();
      },
    });
    if (hold !== undefined) this.#holders.add(reader);
    return reader;
  }
}

/** Somebody who reads a channel. */
export class OutputReader {
  readonly #buffer: ChannelBuffer;
  readonly #hold: number;
  readonly #news: Wakeup;
  readonly #listener: { onProgress(): void; onClose(): void };
  #offset: number;
  /** All before this has been dealt with. */
  #done: number;
  #closed = false;

  constructor(
    buffer: ChannelBuffer,
    offset: number,
    hold: number,
    news: Wakeup,
    listener: { onProgress(): void; onClose(): void },
  ) {
    this.#buffer = buffer;
    this.#offset = offset;
    this.#done = offset;
    this.#hold = hold;
    this.#news = news;
    this.#listener = listener;
  }

  /** What it reads next. */
  get offset(): number {
    return this.#offset;
  }

  /** What must not be forgotten begins here, as long as this reader holds. */
  get needs(): number {
    return this.#done - this.#hold;
  }

  /** The next piece, if there is one now; the one before has been dealt with. */
  take(): Piece | undefined {
    if (this.#closed) return undefined;
    this.#done = this.#offset;
    this.#listener.onProgress();
    const piece = this.#buffer.pieceAt(this.#offset);
    if (piece !== undefined) this.#offset = piece.offset + piece.bytes.length;
    return piece;
  }

  /** The next piece, as soon as there is one; undefined at the output's end, or after `close`. */
  async next(): Promise<Piece | undefined> {
    for (;;) {
      const piece = this.take();
      if (piece !== undefined || this.#closed || this.#buffer.hasEnded) return piece;
      await this.#news.wait();
    }
  }

  /** Holds nothing any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.onClose();
  }
}
