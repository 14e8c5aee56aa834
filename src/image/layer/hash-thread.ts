/**
 * SHA-2 on a thread of its own. Hashing what comes in and what comes out of a layer takes a third of the time of a
 * pull; beside everything else, on another core, it costs next to nothing (docs/benchmarks.md).
 */

type Algorithm = "sha256" | "sha512";

/** To the thread: bytes of a stream, or its end (without a buffer). */
interface Job {
  readonly stream: number;
  readonly algorithm: Algorithm;
  readonly buffer?: SharedArrayBuffer;
  readonly length?: number;
}

/** From the thread: a buffer that may be used again, or the digest of a stream, in hex. */
type Done = { readonly buffer: SharedArrayBuffer } | { readonly stream: number; readonly digest: string };

/**
 * What the thread runs; as text, because a compiled program has no file that it could be loaded from. Messages come
 * in the order in which they were sent. A stream without an end is forgotten with the thread.
 */
const THREAD = `
  const hashers = new Map();
  self.onmessage = ({ data: { stream, algorithm, buffer, length } }) => {
    if (!hashers.has(stream)) hashers.set(stream, new Bun.CryptoHasher(algorithm));
    const hasher = hashers.get(stream);
    if (buffer !== undefined) {
      hasher.update(new Uint8Array(buffer, 0, length));
      postMessage({ buffer });
    } else {
      hashers.delete(stream);
      postMessage({ stream, digest: hasher.digest("hex") });
    }
  };`;

const BUFFER = 1024 * 1024;
/** Buffers that may be on their way: for all streams together, and one more for each that is being filled. */
const MAX_BUFFERS = 16;

/** The thread, as long as somebody has a stream open. */
class HashThread {
  readonly #source: string;
  readonly #worker: Worker;
  readonly #free: SharedArrayBuffer[] = [];
  readonly #ends = new Map<number, PromiseWithResolvers<string>>();
  #made = 0;
  #streams = 0;
  #next = 0;
  #waiting: (() => void)[] = [];
  #failure: unknown;

  constructor() {
    this.#source = URL.createObjectURL(new Blob([THREAD], { type: "application/javascript" }));
    this.#worker = new Worker(this.#source);
    this.#worker.addEventListener("message", ({ data }: MessageEvent<Done>) => this.#take(data));
    this.#worker.addEventListener("error", ({ message }) =>
      this.#fail(new Error(`hashing failed: ${message}`)),
    );
  }

  open(): number {
    this.#streams++;
    return this.#next++;
  }

  /** @returns whether it was the last stream. */
  close(stream: number): boolean {
    this.#ends.delete(stream);
    this.#streams--;
    if (this.#streams > 0) return false;
    this.#worker.terminate();
    URL.revokeObjectURL(this.#source);
    return true;
  }

  /** A buffer to fill; waits for one while all are on their way. */
  async buffer(): Promise<SharedArrayBuffer> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const free = this.#free.pop();
      if (free !== undefined) return free;
      if (this.#made < MAX_BUFFERS + this.#streams) {
        this.#made++;
        return new SharedArrayBuffer(BUFFER);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  send(job: Job): void {
    this.#worker.postMessage(job);
  }

  /** Gives back a buffer that was not sent. */
  free(buffer: SharedArrayBuffer): void {
    this.#free.push(buffer);
    this.#waiting.shift()?.();
  }

  async end(stream: number, algorithm: Algorithm): Promise<string> {
    if (this.#failure !== undefined) throw this.#failure;
    const end = Promise.withResolvers<string>();
    this.#ends.set(stream, end);
    this.send({ stream, algorithm });
    return await end.promise;
  }

  #take(done: Done): void {
    if ("buffer" in done) this.free(done.buffer);
    else this.#ends.get(done.stream)?.resolve(done.digest);
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const resolve of this.#waiting.splice(0)) resolve();
    for (const end of this.#ends.values()) end.reject(error);
  }
}

let thread: HashThread | undefined;

/** The digest of one stream, computed beside everything else. */
export class HashStream {
  readonly #algorithm: Algorithm;
  readonly #thread: HashThread;
  readonly #stream: number;
  #buffer: SharedArrayBuffer | undefined;
  #length = 0;
  #closed = false;

  constructor(algorithm: Algorithm) {
    thread ??= new HashThread();
    this.#thread = thread;
    this.#algorithm = algorithm;
    this.#stream = thread.open();
  }

  /** Takes a copy of the bytes; waits while the thread has too much to do. */
  async update(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      this.#buffer ??= await this.#thread.buffer();
      const count = Math.min(bytes.length - done, BUFFER - this.#length);
      new Uint8Array(this.#buffer, this.#length, count).set(bytes.subarray(done, done + count));
      this.#length += count;
      done += count;
      if (this.#length === BUFFER) this.#send();
    }
  }

  /** Once, at the end. */
  async digest(): Promise<string> {
    this.#send();
    return await this.#thread.end(this.#stream, this.#algorithm);
  }

  /** Always to be called in the end: the thread ends with its last stream. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#buffer !== undefined) this.#thread.free(this.#buffer);
    this.#buffer = undefined;
    if (this.#thread.close(this.#stream) && thread === this.#thread) thread = undefined;
  }

  #send(): void {
    if (this.#buffer === undefined) return;
    this.#thread.send({
      stream: this.#stream,
      algorithm: this.#algorithm,
      buffer: this.#buffer,
      length: this.#length,
    });
    this.#buffer = undefined;
    this.#length = 0;
  }
}
