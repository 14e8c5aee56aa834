import { unpackError } from "../../sent-error.ts";
import type { BlobExpectations } from "./expected.ts";
import type { AboutStream } from "./messages.ts";
import { RingReader } from "./ring.ts";
import type { DecoderWorker } from "./worker.ts";

/** Memory in which bytes of a blob go to a thread, and how many such pieces of a blob may be on their way. */
const BUFFER = 256 * 1024;
const BUFFERS = 4;
/** What a blob of unknown size counts for when work is shared out. */
const UNKNOWN_SIZE = 32 * 1024 * 1024;

/** Memory of streams that came to their end, for others. */
export interface SpareMemory {
  readonly rings: RingReader[];
  readonly buffers: SharedArrayBuffer[];
}

/** A blob that a thread decodes. */
export class StreamInThread {
  readonly #stream: number;
  readonly #worker: DecoderWorker;
  readonly #take: (bytes: Uint8Array) => void;
  readonly #memory: SpareMemory;
  readonly #ring: RingReader;
  readonly #result = Promise.withResolvers<string>();
  /** Being filled. */
  #buffer: SharedArrayBuffer | undefined;
  #length = 0;
  #onTheirWay = 0;
  #waiting: (() => void) | undefined;
  #failure: unknown;
  #isFinished = false;

  constructor(
    stream: number,
    worker: DecoderWorker,
    memory: SpareMemory,
    expected: BlobExpectations,
    take: (bytes: Uint8Array) => void,
  ) {
    this.#stream = stream;
    this.#worker = worker;
    this.#memory = memory;
    this.#ring = memory.rings.pop() ?? new RingReader();
    this.#take = take;
    // Whoever does not wait for the result hears of a failure by `write`.
    this.#result.promise.catch(() => {});
    worker.listen(stream, {
      size: expected.size ?? UNKNOWN_SIZE,
      hear: (message) => this.#hear(message),
      lost: (error) => this.#fail(error),
    });
    worker.send({ stream, kind: "begin", expected, ring: this.#ring.memory });
  }

  /** Takes a copy of the bytes; waits while the thread is behind. @throws what went wrong so far. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    for (let done = 0; done < bytes.length; ) {
      this.#buffer ??= await this.#emptyBuffer();
      const count = Math.min(bytes.length - done, BUFFER - this.#length);
      new Uint8Array(this.#buffer, this.#length, count).set(bytes.subarray(done, done + count));
      this.#length += count;
      done += count;
      if (this.#length === BUFFER) this.#flush();
    }
  }

  /** Says that the blob ends here. @returns the digest of the archive, when all of it was taken. */
  async finish(): Promise<string> {
    this.#flush();
    this.#worker.send({ stream: this.#stream, kind: "finish" });
    const diffId = await this.#result.promise;
    this.#isFinished = true;
    return diffId;
  }

  /** Always to be called in the end. */
  close(): void {
    // The thread may still be filling the ring of a stream that is given up.
    if (this.#isFinished) this.#memory.rings.push(this.#ring.reset());
    else this.#ring.abandon();
    this.#worker.send({ stream: this.#stream, kind: "close" });
    this.#worker.forget(this.#stream);
  }

  async #emptyBuffer(): Promise<SharedArrayBuffer> {
    while (this.#failure === undefined && this.#onTheirWay === BUFFERS) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.#memory.buffers.pop() ?? new SharedArrayBuffer(BUFFER);
  }

  #flush(): void {
    if (this.#buffer === undefined) return;
    const [buffer, length] = [this.#buffer, this.#length];
    this.#worker.send({ stream: this.#stream, kind: "bytes", buffer, length });
    this.#onTheirWay++;
    this.#buffer = undefined;
    this.#length = 0;
  }

  #hear(message: AboutStream): void {
    switch (message.kind) {
      case "piece":
        this.#takePiece(message.length);
        break;
      case "taken":
        this.#memory.buffers.push(message.buffer);
        this.#onTheirWay--;
        this.#wake();
        break;
      case "finished":
        this.#result.resolve(message.diffId);
        break;
      default:
        this.#fail(unpackError(message.error));
    }
  }

  #takePiece(length: number): void {
    if (this.#failure !== undefined) return;
    try {
      this.#take(this.#ring.piece(length));
      this.#ring.release();
    } catch (error) {
      this.#ring.abandon();
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#result.reject(this.#failure);
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.();
  }
}
