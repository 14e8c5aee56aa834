/**
 * A stream of bytes that is read before its reader asks, up to a limit: so its end is seen also while its reader waits for
 * something else.
 */
export class ReadAhead {
  /** Resolves when the source has ended, or failed. */
  readonly ended: Promise<void>;
  isOver = false;
  readonly #maxBytes: number;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;
  #failure: { readonly cause: unknown } | undefined;
  #onPiece = () => {};
  #onRoom = () => {};

  constructor(source: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.ended = this.#read(source);
  }

  /** For one reader. @throws what the source failed with, after all that came before */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#bytes -= piece.length;
        this.#onRoom();
        yield piece;
      } else if (this.isOver) {
        if (this.#failure !== undefined) throw this.#failure.cause;
        return;
      } else
        await new Promise<void>((resolve) => {
          this.#onPiece = resolve;
        });
    }
  }

  async #read(source: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const piece of source) {
        // The source may use its memory again.
        this.#pieces.push(piece.slice());
        this.#bytes += piece.length;
        this.#onPiece();
        while (this.#bytes >= this.#maxBytes)
          await new Promise<void>((resolve) => {
            this.#onRoom = resolve;
          });
      }
    } catch (cause) {
      this.#failure = { cause };
    } finally {
      this.isOver = true;
      this.#onPiece();
    }
  }
}
