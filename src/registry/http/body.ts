import { SmolError } from "../../errors.ts";
import { Transient } from "./failure.ts";
import { networkError } from "./network-error.ts";
import { StallWatch } from "./stall-watch.ts";

/**
 * Bytes that are taken from the connection before they are read; a slow reader slows the server down after that.
 * When a connection breaks, fetch throws away what it has not handed out yet (measured, Bun 1.4.5): without reading
 * ahead, a consumer that is slower than the network would lose a part of every broken connection.
 */
const READ_AHEAD = 1024 * 1024;

/** An unwanted body is read if it is no longer than this: a new connection would cost more. */
const MAX_UNWANTED = 64 * 1024;
const UNWANTED_MS = 250;

export interface BodyContext {
  readonly url: URL;
  readonly proxy: string | undefined;
  readonly stallMs: number;
  /** Ends the connection. */
  readonly abort: () => void;
  /** The connection is not needed any more, or is gone. */
  readonly release: () => void;
  /** The user's. */
  readonly signal: AbortSignal | undefined;
}

/** The part of a stream's reader that is used here; the types of Bun and Node disagree about the rest. */
interface Reader {
  read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/** The body of an answer. It must be read to its end, or cancelled: otherwise the connection stays open. */
export class Body {
  readonly #reader: Reader | undefined;
  readonly #context: BodyContext;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  /** No more will come: because of the end, of `cancel`, or of #failure. */
  #ended = false;
  #failure: unknown;
  /** The reader and the pump, while they wait until something changes. */
  #waiting: (() => void)[] = [];
  readonly #watch: StallWatch;

  constructor(stream: ReadableStream<Uint8Array> | null, context: BodyContext) {
    this.#reader = stream?.getReader();
    this.#context = context;
    const { url, stallMs } = context;
    this.#watch = new StallWatch(stallMs, () => this.#break(stalled(url, stallMs)));
    if (this.#reader === undefined) this.#end();
    else void this.#pump(this.#reader);
  }

  /**
   * The next bytes, or undefined at the end.
   *
   * @throws Transient when the connection broke, or brought nothing for `stallMs`; the signal's reason.
   */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      this.#context.signal?.throwIfAborted();
      const next = this.#queue.shift();
      if (next !== undefined) {
        this.#queued -= next.byteLength;
        this.#wake();
        return next;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#ended) return undefined;
      await this.#change();
    }
  }

  /** The whole body. @throws SmolError `registry.too_large` */
  async bytes(maxBytes: number, what: string): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let size = 0;
    for (let part = await this.read(); part !== undefined; part = await this.read()) {
      size += part.byteLength;
      if (size > maxBytes) {
        await this.cancel();
        throw new SmolError("registry.too_large", `${what} is larger than ${maxBytes} bytes`);
      }
      parts.push(part);
    }
    return Buffer.concat(parts, size);
  }

  /** Is done with the body; keeps the connection for the next request when little is left of it. */
  async discard(): Promise<void> {
    const timer = setTimeout(() => void this.cancel(), UNWANTED_MS);
    try {
      let size = 0;
      for (
        let part = await this.read();
        part !== undefined && size <= MAX_UNWANTED;
        part = await this.read()
      ) {
        size += part.byteLength;
      }
    } catch {
      // Nothing depends on it; an aborted signal is noticed by the next request.
    } finally {
      clearTimeout(timer);
      await this.cancel();
    }
  }

  /** Closes the connection, unless the body has come to its end. */
  async cancel(): Promise<void> {
    this.#queue.length = 0;
    if (this.#ended) return;
    this.#end();
    this.#context.abort();
    await this.#reader?.cancel().catch(() => {});
  }

  async #pump(reader: Reader): Promise<void> {
    const { url, proxy } = this.#context;
    try {
      while (!this.#ended) {
        if (this.#queued >= READ_AHEAD) {
          await this.#change();
          continue;
        }
        this.#watch.begin();
        const { done, value } = await reader.read();
        this.#watch.pause();
        if (done) this.#end();
        else if (value !== undefined && !this.#ended) {
          this.#queue.push(value);
          this.#queued += value.byteLength;
          this.#wake();
        }
      }
    } catch (error) {
      this.#break(networkError(error, url, proxy));
    }
  }

  /** Ends the body before its time. */
  #break(failure: unknown): void {
    if (this.#ended) return;
    this.#failure = failure;
    this.#end();
    this.#context.abort();
    this.#reader?.cancel().catch(() => {});
  }

  #end(): void {
    this.#ended = true;
    this.#watch.stop();
    this.#context.release();
    this.#wake();
  }

  async #change(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    if (this.#waiting.length > 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export const stalled = (url: URL, stallMs: number) =>
  new Transient(
    new SmolError("registry.stalled", `${url.host} sent nothing for ${stallMs / 1000} seconds`, {
      hint: "a slow registry may need more time: stall_timeout in the [pull] part of config.toml",
    }),
  );
