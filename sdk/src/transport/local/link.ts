/** A connection that keeps this program alive only while something is under way on it. */
import { deferred } from "../../../../src/deferred.ts";
import { SmolError } from "../../../../src/errors.ts";
import { Connection } from "../../../../src/protocol/connection.ts";
import { type JsonRequest, jsonCodec } from "../../../../src/protocol/json.ts";
import type { PipeTransport } from "../../../../src/protocol/pipe-transport.ts";
import { type Stream, StreamFailure } from "../../../../src/protocol/stream.ts";
import { version } from "../../../../src/version.ts";
import { errorOf, SmolvmError } from "../../errors.ts";

/** What keeps an event loop alive, and can be told not to. */
export interface Handle {
  ref?: () => unknown;
  unref?: () => unknown;
}

/** How long the end of work that was given up may take to be confirmed: its caller is not kept waiting for ever. */
const CANCEL_LIMIT_MS = 5000;

export class Link {
  /** Resolves when it is over. */
  readonly closed: Promise<unknown>;
  isClosed = false;
  readonly #connection: Connection;
  readonly #handles: readonly Handle[];
  /** What the end of the connection means to work on it. */
  readonly #lost: (cause: unknown) => SmolvmError;
  #busy = 0;

  constructor(transport: PipeTransport, handles: readonly Handle[], lost: (cause: unknown) => SmolvmError) {
    this.#handles = handles;
    this.#lost = lost;
    this.#connection = new Connection(transport, { codec: jsonCodec(version) });
    this.closed = this.#connection.closed.then((error) => {
      this.isClosed = true;
      return error;
    });
    for (const handle of handles) handle.unref?.();
  }

  /** Begins a piece of work. */
  open(request: JsonRequest): Stream {
    if (this.#busy++ === 0) for (const handle of this.#handles) handle.ref?.();
    const stream = this.#connection.open(request);
    const over = () => {
      if (--this.#busy === 0) for (const handle of this.#handles) handle.unref?.();
    };
    stream.result.then(over, over);
    return stream;
  }

  /** The result of a piece of work. @throws SmolvmError; the signal's reason, once the work has been given up */
  async resultOf(stream: Stream, signal?: AbortSignal): Promise<unknown> {
    return await this.#settled(stream, stream.result, signal);
  }

  /** Until the work has begun. @throws as `resultOf` */
  async acceptedOf(stream: Stream, signal?: AbortSignal): Promise<unknown> {
    return await this.#settled(stream, stream.accepted, signal);
  }

  async #settled(stream: Stream, what: Promise<unknown>, signal: AbortSignal | undefined): Promise<unknown> {
    const { promise: late, reject: giveUp } = deferred<never>();
    late.catch(() => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    const cancel = () => {
      stream.cancel();
      timer = setTimeout(() => giveUp(signal?.reason), CANCEL_LIMIT_MS);
    };
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted) cancel();
    try {
      return await Promise.race([what, late]);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw this.explain(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** A failure of this connection's as callers see it. */
  explain(error: unknown): SmolvmError {
    if (error instanceof SmolvmError) return error;
    // Of the other side; of this one's own look at it (`machine.other_version`).
    if (error instanceof StreamFailure || error instanceof SmolError) return errorOf(error);
    return this.#lost(error);
  }

  close(): void {
    this.#connection.close();
  }
}
