import { SmolError } from "../../errors.ts";
import { shortDigest } from "../digest.ts";
import {
  type Answer,
  contentLength,
  decodeDocument,
  encodedLimit,
  encodingOf,
  parseContentRange,
  Transient,
  unexpectedEncoding,
} from "../http/index.ts";
import { printable } from "../printable.ts";
import type { Patience, Session } from "../session/index.ts";
import { refusal } from "../session/index.ts";
import type { BlobDescriptor } from "../types.ts";

/**
 * How much is asked for at once of a server whose connections break before anything of them arrives: fetch throws away
 * what came in the same moment as the break (measured, Bun 1.4.5), and what comes whole cannot break.
 */
const WINDOW = 256 * 1024;
const MIN_WINDOW = 64 * 1024;
const MAX_WINDOW = 16 * 1024 * 1024;

/** One blob on its way, over as many connections and servers as it takes. */
export class Download {
  readonly #descriptor: BlobDescriptor;
  readonly #isDocument: boolean;
  /** Bytes that the consumer has. */
  #offset = 0;
  /** Strong validator of what the first part came from (RFC 9110, 8.8.3). */
  #etag: string | undefined;
  #rangeFails = false;
  /** Bytes to ask for at once. */
  #window = Number.POSITIVE_INFINITY;
  /** A larger part broke. */
  #ceiling = Number.POSITIVE_INFINITY;

  /** @param isDocument whether it is small, and JSON: then it is decoded when a server sends it compressed. */
  constructor(descriptor: BlobDescriptor, isDocument = false) {
    this.#descriptor = descriptor;
    this.#isDocument = isDocument;
  }

  /**
   * The bytes that are still missing, from one server.
   *
   * @throws what `patience` does not want to try again; another server can then go on.
   */
  async *from(
    session: Session,
    patience: Patience,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { size } = this.#descriptor;
    // Another server may know ranges, and has validators of its own.
    this.#rangeFails = false;
    this.#etag = undefined;
    this.#window = Number.POSITIVE_INFINITY;
    this.#ceiling = Number.POSITIVE_INFINITY;
    while (this.#offset < size) {
      const before = this.#offset;
      let answer: Answer | undefined;
      try {
        answer = await this.#open(session, signal);
        const encoding = encodingOf(answer.headers);
        if (this.#isDocument && encoding !== undefined && answer.status === 200) {
          yield await this.#decode(answer, encoding, session);
          return;
        }
        const { skip, end } = this.#place(answer, session);
        yield* this.#read(answer, skip, end, patience, session);
        if (this.#offset < end) throw this.#broken(session, answer);
        this.#widen();
      } catch (failure) {
        // The end of the last byte is missing only to the protocol, e.g. the last chunk's mark.
        if (failure instanceof Transient && this.#offset === size && !signal?.aborted) return;
        if (this.#offset === before) this.#narrow(failure);
        await patience.afterFailure(this.#explain(failure, answer, session), signal);
      } finally {
        await answer?.body.cancel();
      }
    }
  }

  /** A whole document that was sent compressed. @returns what of it the consumer does not have. */
  async #decode({ body }: Answer, encoding: string, session: Session): Promise<Uint8Array> {
    const { size } = this.#descriptor;
    const name = this.#name(session);
    const decoded = decodeDocument(
      await body.bytes(encodedLimit(encoding, size), name),
      encoding,
      size,
      name,
    );
    if (decoded.byteLength !== size) {
      throw this.#wrong(session, `has ${decoded.byteLength} bytes instead of ${size}`);
    }
    const fresh = decoded.subarray(this.#offset);
    this.#offset = size;
    return fresh;
  }

  /** @param skip bytes at the beginning that the consumer has already. @param end where the answer's part ends. */
  async *#read(
    { body }: Answer,
    skip: number,
    end: number,
    patience: Patience,
    session: Session,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let toSkip = skip;
    for (let part = await body.read(); part !== undefined; part = await body.read()) {
      const skipped = Math.min(toSkip, part.byteLength);
      toSkip -= skipped;
      const fresh = part.subarray(skipped);
      if (this.#offset + fresh.byteLength > end) {
        const error = this.#wrong(session, `is longer than ${end} bytes`);
        // Of the whole blob it is known how long it is; a wrong part may come right the next time.
        throw end === this.#descriptor.size ? error.error : error;
      }
      if (fresh.byteLength === 0) continue;
      this.#offset += fresh.byteLength;
      patience.progress();
      yield fresh;
    }
  }

  #narrow(failure: unknown): void {
    if (!(failure instanceof Transient) || failure.error.code !== "registry.broken_connection") return;
    if (this.#window === Number.POSITIVE_INFINITY) this.#window = WINDOW;
    else this.#ceiling = Math.max(MIN_WINDOW, this.#window / 4);
    this.#window = Math.min(this.#window, this.#ceiling);
  }

  #widen(): void {
    const wider = Math.min(this.#window * 4, this.#ceiling);
    this.#window = wider > MAX_WINDOW ? Number.POSITIVE_INFINITY : wider;
  }

  async #open(session: Session, signal: AbortSignal | undefined): Promise<Answer> {
    const { digest, urls } = this.#descriptor;
    const headers: Record<string, string> = {};
    const windowed = this.#offset + this.#window < this.#descriptor.size;
    const partial = (this.#offset > 0 || windowed) && !this.#rangeFails;
    if (partial) {
      headers.Range = `bytes=${this.#offset}-${windowed ? this.#offset + this.#window - 1 : ""}`;
      if (this.#etag !== undefined) headers["If-Range"] = this.#etag;
    }
    const answer = await session.send({ path: `blobs/${digest}`, method: "GET", headers, signal });
    if (answer.status === 200 || (answer.status === 206 && partial)) return answer;
    if (answer.status === 416 && partial) {
      await answer.body.cancel();
      this.#rangeFails = true;
      throw new Transient(
        new SmolError("registry.bad_answer", `${answer.url.host} cannot resume a download`),
      );
    }
    const error = await refusal(answer, `blob ${shortDigest(digest)} of ${session.repository}`, session);
    throw urls === undefined || urls.length === 0 ? error : foreign(error, urls);
  }

  /** Checks what the head of the answer promises. @returns what of it is missing, and where it ends in the blob. */
  #place(answer: Answer, session: Session): { skip: number; end: number } {
    const { size } = this.#descriptor;
    const { headers } = answer;
    const etag = headers.get("etag") ?? undefined;
    if (this.#offset === 0)
      this.#etag = etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : undefined;
    const partial = answer.status === 206;
    const length = contentLength(headers);
    const encoding = encodingOf(headers);
    // Storages repeat what they were told when the blob was stored. With the right length it is the blob as it is;
    // with another one, asking again would not change it.
    if (encoding !== undefined && !partial && length !== size) {
      throw unexpectedEncoding(`${this.#name(session)} at ${session.endpoint.registry}`, encoding);
    }
    if (!partial && length !== undefined && length !== size) {
      throw this.#wrong(session, `has ${length} bytes instead of ${size}`);
    }
    if (!partial) return { skip: this.#offset, end: size };
    const range = parseContentRange(headers.get("content-range"));
    if (range?.first === this.#offset && range.last < size && (range.total ?? size) === size) {
      return { skip: 0, end: range.last + 1 };
    }
    this.#rangeFails = true;
    throw this.#wrong(session, "comes from another place than was asked for");
  }

  /** How far it came says more about a broken connection than that it broke. */
  #explain(failure: unknown, answer: Answer | undefined, session: Session): unknown {
    if (!(failure instanceof Transient) || failure.error.code !== "registry.broken_connection")
      return failure;
    return answer === undefined ? failure : this.#broken(session, answer);
  }

  #broken(session: Session, answer: Answer): Transient {
    const { size } = this.#descriptor;
    const host = answer.url.host;
    const what = `${host} ended ${this.#name(session)} after ${this.#offset} of ${size} bytes`;
    return new Transient(new SmolError("registry.broken_connection", what));
  }

  #wrong(session: Session, what: string): Transient {
    const { registry } = session.endpoint;
    return new Transient(
      new SmolError("registry.bad_answer", `${this.#name(session)} at ${registry} ${what}`),
    );
  }

  #name(session: Session): string {
    return `blob ${shortDigest(this.#descriptor.digest)} of ${session.repository}`;
  }
}

/** Layers of Windows' base images come from Microsoft alone; nothing is fetched from addresses in a manifest. */
function foreign(error: SmolError, urls: readonly string[]): SmolError {
  const first = urls[0] ?? "";
  const host = URL.canParse(first) ? new URL(first).host : "elsewhere";
  return new SmolError(error.code, `${error.message}; its manifest names ${printable(host, 80)} instead`, {
    hint: "foreign layers are fetched from the registry only: push the image with them (docker push --allow-nondistributable-artifacts)",
  });
}
