import { ProtocolError } from "./frame.ts";

/** Bytes that may be under way on one channel of one stream before the receiver grants more. */
export const WINDOW_BYTES = 256 * 1024;

/** The sender's half of flow control: how many bytes the other side is ready to take. */
export class SendWindow {
  #available = WINDOW_BYTES;
  #waiters: (() => void)[] = [];
  #closed = false;

  get available(): number {
    return this.#available;
  }

  get closed(): boolean {
    return this.#closed;
  }

  take(bytes: number): void {
    this.#available -= bytes;
  }

  /** @throws ProtocolError when the other side grants more than it can have received. */
  grant(bytes: number): void {
    this.#available += bytes;
    if (this.#available > WINDOW_BYTES) throw new ProtocolError("more credit granted than was used");
    this.#wake();
  }

  /** Nothing more will be granted or needed: releases whoever waits. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Resolves once some bytes may be sent, or the window was closed. */
  async ready(): Promise<void> {
    while (this.#available === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}

/** Chunks below this size are gathered into blocks: a window of single bytes must not cost a hundred times its size. */
const SMALL_BYTES = 4 * 1024;
const BLOCK_BYTES = 16 * 1024;

/** Bytes in the order they arrived; the buffer may have room for more. */
interface Block {
  readonly buffer: Uint8Array;
  length: number;
}

/**
 * The receiver's half: holds what arrived and was not read yet, never more than the window, and tells through
 * `onConsumed` how much may be sent again. One reader at a time.
 */
export class ReceiveWindow {
  #blocks: Block[] = [];
  #unread = 0;
  #ungranted = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #onConsumed: (bytes: number) => void;

  constructor(onConsumed: (bytes: number) => void) {
    this.#onConsumed = onConsumed;
  }

  /** Keeps a copy. @throws ProtocolError when the sender ignores the window, sends after its end, or sends nothing. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) throw new ProtocolError("data frame without data");
    if (this.#ended) throw new ProtocolError("data after the end of its channel");
    // What was read but not granted again still counts against the sender.
    if (this.#unread + this.#ungranted + bytes.length > WINDOW_BYTES)
      throw new ProtocolError("window exceeded");
    this.#store(bytes);
    this.#unread += bytes.length;
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  /** Yields chunks as they arrive until the end of the channel. */
  async *read(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const block = this.#blocks.shift();
      if (block !== undefined) {
        yield block.buffer.subarray(0, block.length);
        this.#consumed(block.length);
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #store(bytes: Uint8Array): void {
    const last = this.#blocks.at(-1);
    if (last !== undefined && bytes.length <= last.buffer.length - last.length) {
      last.buffer.set(bytes, last.length);
      last.length += bytes.length;
    } else if (last === undefined || bytes.length >= SMALL_BYTES) {
      this.#blocks.push({ buffer: bytes.slice(), length: bytes.length });
    } else {
      const buffer = new Uint8Array(BLOCK_BYTES);
      buffer.set(bytes);
      this.#blocks.push({ buffer, length: bytes.length });
    }
  }

  /** Granting in halves of the window keeps the sender busy without a credit frame for each chunk. */
  #consumed(bytes: number): void {
    this.#unread -= bytes;
    this.#ungranted += bytes;
    if (this.#ungranted < WINDOW_BYTES / 2 || this.#ended) return;
    const grant = this.#ungranted;
    this.#ungranted = 0;
    this.#onConsumed(grant);
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
