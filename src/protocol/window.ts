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

/**
 * The receiver's half: holds what arrived and was not read yet, never more than the window, and tells through
 * `onConsumed` how much may be sent again. One reader at a time.
 */
export class ReceiveWindow {
  #chunks: Uint8Array[] = [];
  #unread = 0;
  #ungranted = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  readonly #onConsumed: (bytes: number) => void;

  constructor(onConsumed: (bytes: number) => void) {
    this.#onConsumed = onConsumed;
  }

  /** @throws ProtocolError when the sender ignores the window or sends after its end. */
  push(bytes: Uint8Array): void {
    if (this.#ended) throw new ProtocolError("data after the end of its channel");
    // What was read but not granted again still counts against the sender.
    if (this.#unread + this.#ungranted + bytes.length > WINDOW_BYTES)
      throw new ProtocolError("window exceeded");
    this.#chunks.push(bytes.slice());
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
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        this.#consumed(chunk.length);
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
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
