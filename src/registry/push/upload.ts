import { SmolError } from "../../errors.ts";
import { shortDigest } from "../digest.ts";
import { type Answer, contentLength, Transient } from "../http/index.ts";
import type { Patience, Session } from "../session/index.ts";
import type { BlobSource } from "../types.ts";
import { pushRefusal } from "./refusal.ts";

const MiB = 1024 * 1024;
/** What is sent at once: small enough that little is lost with a connection, grown while the network is fast. */
const FIRST_CHUNK = MiB;
const MAX_CHUNK = 16 * MiB;
/** A chunk that took less than this may be followed by a larger one. */
const QUICK_MS = 1000;
/** A registry that wants larger chunks than this cannot have them: they are held in memory. */
const MOST_WANTED = 64 * MiB;
const MAX_LOCATION = 16 * 1024;

interface UploadOptions {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((bytes: number) => void) | undefined;
}

/**
 * Whether the repository has a blob. One that is there in another size is none.
 *
 * @throws Transient, SmolError
 */
export async function hasBlob(
  session: Session,
  digest: string,
  size: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const answer = await session.send({ path: `blobs/${digest}`, method: "HEAD", headers: {}, signal });
  await answer.body.cancel();
  // Whoever may push, and not read, is told nothing here: the upload will show.
  if (answer.status !== 200) return false;
  return (contentLength(answer.headers) ?? size) === size;
}

/**
 * Asks for a blob of another repository of the same registry ("Mounting a blob from another repository").
 *
 * @returns where the upload goes on that the registry has begun instead.
 * @throws Transient, SmolError
 */
export async function mountBlob(
  session: Session,
  digest: string,
  from: string,
  signal: AbortSignal | undefined,
): Promise<"mounted" | URL | undefined> {
  const query = new URLSearchParams({ mount: digest, from });
  const answer = await session.send({ path: `blobs/uploads/?${query}`, method: "POST", headers: {}, signal });
  await answer.body.discard();
  if (answer.status === 201) return "mounted";
  // No right to read there, or no such repository: nothing that an upload does not help.
  return answer.status === 202 ? locationOf(answer, session) : undefined;
}

/** A blob on its way to a registry: in chunks, and on from where the registry has it when a connection breaks. */
export class Upload {
  readonly #session: Session;
  readonly #source: BlobSource;
  readonly #patience: Patience;
  readonly #options: UploadOptions;
  /** Where the next chunk goes; undefined before the upload was begun. */
  #location: URL | undefined;
  /** Bytes that the registry has said that it has. */
  #offset = 0;
  #chunk = FIRST_CHUNK;
  /** The registry wants chunks of at least so many bytes. */
  #least = 0;

  constructor(session: Session, source: BlobSource, patience: Patience, options: UploadOptions) {
    this.#session = session;
    this.#source = source;
    this.#patience = patience;
    this.#options = options;
  }

  /**
   * Sends the blob until the registry has all of it, and has checked it against its digest.
   *
   * @param begun where the registry takes it already
   * @throws SmolError `registry.*`; the signal's reason
   */
  async run(begun: URL | undefined): Promise<void> {
    const { signal } = this.#options;
    this.#location = begun;
    for (;;) {
      try {
        await this.#step();
        return;
      } catch (failure) {
        await this.#patience.afterFailure(failure, signal);
        await this.#patience.run(() => this.#ask(), signal);
      }
    }
  }

  async #step(): Promise<void> {
    const { size } = this.#source;
    let location = this.#location ?? (await this.#begin());
    while (size - this.#offset > this.#size) location = await this.#patch(location);
    await this.#close(location);
  }

  get #size(): number {
    return Math.max(this.#chunk, this.#least);
  }

  /** "Pushing a blob in chunks": the first request. */
  async #begin(): Promise<URL> {
    const answer = await this.#send("blobs/uploads/", "POST", 0);
    if (answer.status !== 202) throw await this.#refused(answer);
    await answer.body.discard();
    this.#offset = 0;
    const least = Number(answer.headers.get("oci-chunk-min-length") ?? 0);
    if (least > MOST_WANTED) {
      const what = `${this.#session.endpoint.registry} wants chunks of ${least} bytes, which is too many`;
      throw new SmolError("registry.bad_answer", what);
    }
    this.#least = Number.isSafeInteger(least) && least > 0 ? least : 0;
    return this.#goOn(answer);
  }

  async #patch(location: URL): Promise<URL> {
    const length = this.#size;
    const begun = performance.now();
    const answer = await this.#send(location, "PATCH", length);
    if (answer.status === 416) {
      await answer.body.discard();
      throw new Transient(this.#lost("is out of step with what was sent"));
    }
    if (![200, 201, 202, 204].includes(answer.status)) throw await this.#refused(answer);
    await answer.body.discard();
    this.#advance(answer, this.#offset + length);
    if (performance.now() - begun < QUICK_MS) this.#chunk = Math.min(this.#chunk * 2, MAX_CHUNK);
    return this.#goOn(answer);
  }

  /** The last chunk, and the digest that all of them are compared with. */
  async #close(location: URL): Promise<void> {
    const { digest, size } = this.#source;
    const last = new URL(location);
    last.searchParams.set("digest", digest);
    const answer = await this.#send(last, "PUT", size - this.#offset);
    if (answer.status === 416) {
      await answer.body.discard();
      throw new Transient(this.#lost("is out of step with what was sent"));
    }
    if (![200, 201, 202, 204].includes(answer.status)) throw await this.#refused(answer);
    await answer.body.discard();
    this.#offset = size;
    this.#options.onProgress?.(size);
  }

  /** After a failure: how much of it has arrived. An upload that the registry knows nothing of begins anew. */
  async #ask(): Promise<void> {
    const location = this.#location;
    if (location === undefined) return;
    const { signal } = this.#options;
    const answer = await this.#session.send({ path: location, method: "GET", headers: {}, signal });
    await answer.body.discard();
    const there = answer.status === 204 || answer.status === 200 ? rangeEnd(answer) : undefined;
    // More than was ever sent, or less than was said before, is no place to go on from.
    if (there === undefined || there > this.#source.size || there < this.#offset) {
      this.#location = undefined;
      return;
    }
    this.#offset = there;
    this.#goOn(answer);
  }

  async #send(path: string | URL, method: "POST" | "PATCH" | "PUT", length: number): Promise<Answer> {
    const { signal } = this.#options;
    const body = length === 0 ? new Uint8Array() : await this.#source.read(this.#offset, length);
    const headers: Record<string, string> = { "Content-Length": String(length) };
    if (length > 0) headers["Content-Type"] = "application/octet-stream";
    // Without chunks before, it is one whole ("Pushing a blob monolithically").
    if (length > 0 && (method === "PATCH" || this.#offset > 0)) {
      headers["Content-Range"] = `${this.#offset}-${this.#offset + length - 1}`;
    }
    return await this.#session.send({ path, method, headers, body, signal });
  }

  /** The registry says how much it has: what it does not have is sent again, what it cannot have is no upload of ours. */
  #advance(answer: Answer, sent: number): void {
    const there = rangeEnd(answer) ?? sent;
    if (there <= this.#offset || there > sent) {
      this.#location = undefined;
      throw new Transient(this.#lost("says that it has other bytes than were sent"));
    }
    this.#offset = there;
    this.#patience.progress();
    this.#options.onProgress?.(there);
  }

  #goOn(answer: Answer): URL {
    const location = locationOf(answer, this.#session) ?? this.#location;
    if (location === undefined) throw this.#lost("does not say where the upload goes on");
    this.#location = location;
    return location;
  }

  async #refused(answer: Answer): Promise<SmolError | Transient> {
    const error = await pushRefusal(answer, `layer ${shortDigest(this.#source.digest)}`, this.#session);
    // An upload that the registry has forgotten, say because it was started anew, can be begun again.
    if (answer.status !== 404 || this.#location === undefined) return error;
    this.#location = undefined;
    return new Transient(error);
  }

  #lost(what: string): SmolError {
    const { registry } = this.#session.endpoint;
    const text = `${registry} ${what}: layer ${shortDigest(this.#source.digest)}`;
    return new SmolError("registry.bad_answer", text);
  }
}

/** Bytes that a registry has of an upload, from `Range: 0-LAST`; undefined when it does not say so. */
function rangeEnd({ headers }: Answer): number | undefined {
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(headers.get("range")?.trim() ?? "");
  if (match === null) return undefined;
  // distribution says `0-0` of nothing, too: one byte more to send again is no loss.
  const last = Number(match[1]);
  return last === 0 ? 0 : last + 1;
}

/** @throws SmolError for an address that nothing is sent to */
function locationOf({ headers, url }: Answer, session: Session): URL | undefined {
  const text = headers.get("location");
  if (text === null) return undefined;
  const refused = (why: string) =>
    new SmolError(
      "registry.bad_answer",
      `${session.endpoint.registry} takes uploads at an address that ${why}`,
    );
  if (text.length > MAX_LOCATION || !URL.canParse(text, url.href)) throw refused("cannot be understood");
  const location = new URL(text, url);
  location.hash = "";
  if (location.protocol !== "https:" && location.protocol !== "http:")
    throw refused("is neither http nor https");
  if (location.protocol === "http:" && url.protocol === "https:") throw refused("is plain http");
  if (location.username !== "" || location.password !== "") throw refused("has a user name in it");
  return location;
}
