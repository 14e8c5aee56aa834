/** Requests to a server, over TCP, TLS and Unix sockets, in every runtime that has Node's modules. */
import type { ClientRequest, IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Address } from "./address.ts";
import { connectionFailure, failureOf } from "./failure.ts";

/** A list of as many machines as a host can have is far below. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface Wanted {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** A JSON document. */
  readonly json?: unknown;
  /** Bytes of any number. */
  readonly content?: AsyncIterable<Uint8Array> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @returns an answer that is a success; its body has to be read, or destroyed
 * @throws SmolvmError what the server says, `sdk.unreachable`; the signal's reason
 */
export async function ask(address: Address, wanted: Wanted): Promise<IncomingMessage> {
  const { signal } = wanted;
  signal?.throwIfAborted();
  const content = wanted.content && new Watched(wanted.content);
  try {
    const answer = await send(address, { ...wanted, content });
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return answer;
    throw failureOf(parsed(await textOf(answer)), status);
  } catch (error) {
    signal?.throwIfAborted();
    if (content?.failure !== undefined) throw content.failure.error;
    throw connectionFailure(error, address.text);
  }
}

/** Remembers what a content has thrown: that is the caller's own error. */
class Watched implements AsyncIterable<Uint8Array> {
  failure: { readonly error: unknown } | undefined;
  readonly #content: AsyncIterable<Uint8Array>;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#content = content;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield* this.#content;
    } catch (error) {
      this.failure = { error };
      throw error;
    }
  }
}

/** The same, for an answer in JSON. */
export async function askJson(address: Address, wanted: Wanted): Promise<unknown> {
  const answer = await ask(address, wanted);
  try {
    return parsed(await textOf(answer));
  } catch (error) {
    wanted.signal?.throwIfAborted();
    throw connectionFailure(error, address.text);
  }
}

async function send(
  address: Address,
  { method, path, json, content, signal }: Wanted,
): Promise<IncomingMessage> {
  // Programs that have no server do not pay for what takes most of an import's time.
  const { request: begin } = await (address.tls === undefined ? import("node:http") : import("node:https"));
  const body = json === undefined ? undefined : JSON.stringify(json);
  const headers = {
    ...address.headers,
    ...(body !== undefined && {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    }),
    ...(content !== undefined && { "content-type": "application/octet-stream" }),
  };
  const secure = typeof address.tls === "object" ? address.tls : {};
  const options = { ...address.target, ...secure, method, path, headers };
  return await new Promise((resolve, reject) => {
    const request = begin(options);
    let answer: IncomingMessage | undefined;
    // Not the option `signal`, which would not go by giveUp.
    const stop = () => {
      reject(signal?.reason);
      answer?.destroy(signal?.reason);
      giveUp(request);
    };
    const forget = () => signal?.removeEventListener("abort", stop);
    signal?.addEventListener("abort", stop, { once: true });
    request.on("response", (message) => {
      answer = message.once("close", forget);
      resolve(message);
    });
    request.on("error", (error) => {
      forget();
      reject(error);
    });
    if (signal?.aborted) stop();
    if (content === undefined) request.end(body);
    else {
      const source = Readable.from(content);
      source.on("error", (error) => {
        reject(error);
        giveUp(request, error);
      });
      // An answer that comes before all was sent is a failure, and tells which.
      source.pipe(request);
    }
  });
}

/**
 * Deno takes the end of a connection that was used before for the server's and sends the request once more, on a new one,
 * even when the program itself has ended it (https://github.com/denoland/deno/issues/36786).
 */
function giveUp(request: ClientRequest, reason?: Error): void {
  request.reusedSocket = false;
  request.destroy(reason);
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > MAX_ANSWER_BYTES) throw new Error("its answer is too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
