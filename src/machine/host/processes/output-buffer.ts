/**
 * The last output of a process, for those who come later, and the place where those who are there meet its pace.
 *
 * Each channel is kept for itself: what a reader has not taken of one is never lost to the other's output. Output that
 * nobody holds flows on, and the oldest of it goes. A reader that holds keeps what it has not taken, and so holds up
 * the process.
 */
import { Channel } from "../../../protocol/index.ts";
import { ChannelBuffer, type OutputReader, type Piece } from "./channel-buffer.ts";
import { Wakeup } from "./wakeup.ts";

export type OutputChannel = typeof Channel.stdout | typeof Channel.stderr;

export const outputChannels: readonly OutputChannel[] = [Channel.stdout, Channel.stderr];

/**
 * Kept of each channel: some thousand lines, and twice what may be on the way to a client. Together 1 MiB.
 */
const CAPACITY_BYTES = 512 * 1024;

/** Writes to one channel that follow each other within this time have one stamp. */
const SAME_STAMP_MICROSECONDS = 50_000;

/** A piece of output, among both channels. */
export interface Output extends Piece {
  readonly channel: OutputChannel;
  /** When it was written; milliseconds since the epoch. */
  readonly time: number;
}

interface ChannelReader {
  readonly channel: OutputChannel;
  readonly reader: OutputReader;
}

export class OutputBuffer {
  readonly #news = new Wakeup();
  readonly #room = new Wakeup();
  readonly #channels: Readonly<Record<OutputChannel, ChannelBuffer>>;
  #lastChannel: OutputChannel | undefined;
  #lastStamp = 0;

  /** @param capacity bytes that are kept of each channel */
  constructor(capacity: number = CAPACITY_BYTES) {
    this.#channels = {
      [Channel.stdout]: new ChannelBuffer(capacity, this.#news, this.#room),
      [Channel.stderr]: new ChannelBuffer(capacity, this.#news, this.#room),
    };
  }

  /** Adds a copy of output, one write to a channel after the other; resolves when all of it is here. */
  write(channel: OutputChannel, bytes: Uint8Array): Promise<void> {
    return this.#channels[channel].write(bytes, () => this.#stamp(channel));
  }

  /** There is no more. */
  end(): void {
    for (const channel of outputChannels) this.#channels[channel].end();
  }

  channel(channel: OutputChannel): ChannelBuffer {
    return this.#channels[channel];
  }

  /** Bytes that are kept. */
  get size(): number {
    return outputChannels
      .map((channel) => this.#channels[channel])
      .reduce((sum, { written, oldest }) => sum + written - oldest, 0);
  }

  /**
   * What is kept of both channels now, in the order in which it was written.
   *
   * @returns at most the capacity of both
   */
  soFar(): Output[] {
    const readers = this.#readers((channel) => this.#channels[channel].oldest);
    const all: Output[] = [];
    for (let next = this.#earliest(readers); next !== undefined; next = this.#earliest(readers))
      all.push(next);
    return all;
  }

  /**
   * What comes from now on, in the order in which it is written, until there is no more. Holds nothing: what a slow
   * reader misses is lost for it.
   */
  async *fromNow(signal: AbortSignal): AsyncGenerator<Output, void, void> {
    const readers = this.#readers((channel) => this.#channels[channel].written);
    const wake = () => this.#news.wake();
    signal.addEventListener("abort", wake);
    try {
      while (!signal.aborted) {
        const output = this.#earliest(readers);
        if (output !== undefined) yield output;
        else if (this.#channels[Channel.stdout].hasEnded) return;
        else await this.#news.wait();
      }
    } finally {
      signal.removeEventListener("abort", wake);
    }
  }

  #readers(from: (channel: OutputChannel) => number): readonly ChannelReader[] {
    return outputChannels.map((channel) => ({
      channel,
      reader: this.#channels[channel].reader(from(channel)),
    }));
  }

  #earliest(readers: readonly ChannelReader[]): Output | undefined {
    const stamps = readers.map(
      ({ channel, reader }) => this.#channels[channel].stampAt(reader.offset) ?? Number.POSITIVE_INFINITY,
    );
    const first = readers[stamps.indexOf(Math.min(...stamps))];
    const piece = first?.reader.take();
    if (first === undefined || piece === undefined) return undefined;
    return { ...piece, channel: first.channel, time: Math.floor(piece.stamp / 1000) };
  }

  /**
   * Microseconds since the epoch, each only once: it is the order among both channels too. Undefined: what is written
   * now belongs to what was written before.
   */
  #stamp(channel: OutputChannel): number | undefined {
    const now = Date.now() * 1000;
    if (channel === this.#lastChannel && now < this.#lastStamp + SAME_STAMP_MICROSECONDS) return undefined;
    this.#lastChannel = channel;
    this.#lastStamp = Math.max(now, this.#lastStamp + 1);
    return this.#lastStamp;
  }
}
