import { writeFully } from "../terminal/output.ts";

/**
 * Standard error, for things that nobody has to see: written in order and off the main thread, so that a terminal that
 * is stopped (Ctrl-S) stops no download. When it cannot be written, that is the end of it.
 */
export class Output {
  #pending = 0;
  #last: Promise<void> = Promise.resolve();
  #broken = false;

  constructor(readonly send: (bytes: Uint8Array) => Promise<void> = (bytes) => writeFully(2, bytes)) {}

  /** Something is on its way: a picture that is drawn now would be old when it arrives. */
  get busy(): boolean {
    return this.#pending > 0;
  }

  write(text: string): void {
    this.#pending++;
    this.#last = this.#last.then(() => this.#send(text));
  }

  /** Resolves when everything is written. */
  async flush(): Promise<void> {
    await this.#last;
  }

  async #send(text: string): Promise<void> {
    try {
      if (!this.#broken) await this.send(Buffer.from(text));
    } catch {
      // Closed, or a full disk behind it: the pull goes on, and its result is told elsewhere.
      this.#broken = true;
    } finally {
      this.#pending--;
    }
  }
}
