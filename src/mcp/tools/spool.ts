/** All of an output in a file of the machine, once it is more than a result holds. */

type Write = (file: string, content: AsyncIterable<Uint8Array>) => Promise<void>;

export class Spool {
  readonly #file: string;
  readonly #write: Write;
  /** What came before it was known that there will be a file. */
  #pending: Uint8Array[] = [];
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #written: Promise<boolean> | undefined;

  /** @param write makes the file, which appears when its content ends */
  constructor(file: string, write: Write) {
    this.#file = file;
    this.#write = write;
  }

  /**
   * Takes what comes next; resolves when there is room for more.
   *
   * @param isNeeded a result does not hold all that there was
   */
  async add(bytes: Uint8Array, isNeeded: boolean): Promise<void> {
    // What is passed in may be used again.
    this.#pending.push(bytes.slice());
    if (!isNeeded) return;
    this.#writer ??= this.#begin();
    const pieces = this.#pending;
    this.#pending = [];
    // A machine without room for the file keeps its process all the same.
    for (const piece of pieces) await this.#writer.write(piece).catch(() => {});
  }

  /** @returns where it is; undefined: none was needed, or it could not be written */
  async end(): Promise<string | undefined> {
    if (this.#writer === undefined) return undefined;
    await this.#writer.close().catch(() => {});
    return (await this.#written) ? this.#file : undefined;
  }

  /** Nobody needs it, unless it has ended. */
  drop(): void {
    void this.#writer?.abort(new Error("dropped")).catch(() => {});
  }

  #begin(): WritableStreamDefaultWriter<Uint8Array> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const content = readable as unknown as AsyncIterable<Uint8Array>;
    this.#written = this.#write(this.#file, content).then(
      () => true,
      async (error) => {
        await readable.cancel(error).catch(() => {});
        return false;
      },
    );
    return writable.getWriter();
  }
}
