import { ReceiveWindow, type Stream } from "../src/protocol/index.ts";

/** The helper gets new credit in pieces of this size: a quarter of its window. */
const GRANT_BYTES = 64 * 1024;

/**
 * One output of a program on its way to the host. While the host has room it is passed on as it arrives; else it is
 * held here, at most a window of it, because the helper gets credit only for what was passed on.
 */
export class Output {
  /** Resolves once everything was passed on, or the host does not want it any more. */
  readonly done: Promise<void>;
  readonly #stream: Stream;
  readonly #channel: number;
  readonly #sendCredit: (channel: number, bytes: number) => void;
  readonly #window = new ReceiveWindow((bytes) => this.#grant(bytes));
  /** Bytes that wait in the window or for the host. */
  #held = 0;
  #ungranted = 0;

  constructor(stream: Stream, channel: number, sendCredit: (channel: number, bytes: number) => void) {
    this.#stream = stream;
    this.#channel = channel;
    this.#sendCredit = sendCredit;
    this.done = this.#copy();
  }

  /** @throws ProtocolError when the helper sends more than it had credit for. */
  push(bytes: Uint8Array): void {
    if (this.#held === 0 && this.#stream.tryWrite(this.#channel, bytes)) {
      this.#grant(bytes.length);
    } else {
      this.#window.push(bytes);
      this.#held += bytes.length;
    }
  }

  end(): void {
    this.#window.end();
  }

  async #copy(): Promise<void> {
    for await (const chunk of this.#window.read()) {
      await this.#stream.write(this.#channel, chunk);
      this.#held -= chunk.length;
    }
    this.#stream.end(this.#channel);
  }

  #grant(bytes: number): void {
    this.#ungranted += bytes;
    if (this.#ungranted < GRANT_BYTES) return;
    this.#sendCredit(this.#channel, this.#ungranted);
    this.#ungranted = 0;
  }
}
