import { sleep } from "bun";
import type { SeenRequest } from "./exchange.ts";
import { ask, relay, type Upstream } from "./forward.ts";
import type { Lie } from "./proxy.ts";
import { challenge, type TokenServer } from "./token-server.ts";

/** Ways in which a proxy can misbehave, and which requests they are about. */

export const isBlob = ({ path }: SeenRequest) => path.includes("/blobs/");
export const isManifest = ({ path }: SeenRequest) => path.includes("/manifests/");
/** Requests for the contents of one blob. */
export const isBlobOf = (digest: string) => (request: SeenRequest) =>
  request.method === "GET" && request.path.endsWith(`/blobs/${digest}`);
export const isResumed = ({ headers }: SeenRequest) => headers.range !== undefined;

/** Bytes that went out of each blob, by digest, and in how many requests. */
export function blobTraffic(
  requests: readonly SeenRequest[],
): Map<string, { requests: number; bytes: number }> {
  const traffic = new Map<string, { requests: number; bytes: number }>();
  for (const { method, path, sent, status } of requests) {
    const digest = /\/blobs\/(sha\d+:[0-9a-f]+)/.exec(path)?.[1];
    if (digest === undefined || method !== "GET" || status >= 300) continue;
    const before = traffic.get(digest) ?? { requests: 0, bytes: 0 };
    traffic.set(digest, { requests: before.requests + 1, bytes: before.bytes + sent });
  }
  return traffic;
}

/** The answer that the registry gives, changed. */
const changed =
  (upstream: string, change: (answer: Upstream) => Upstream): Lie =>
  async (exchange) =>
    await relay(exchange, change(await ask(exchange, upstream)));

/** As long as a client may need to take what has arrived: what it has not taken when a connection breaks, it loses. */
const ARRIVAL_MS = 50;

/** Ends the connection after so many bytes of the body. */
export const dropAfter =
  (upstream: string, bytes: number): Lie =>
  async (exchange) => {
    const answer = await ask(exchange, upstream);
    await exchange.head(answer.status, answer.headers);
    for await (const chunk of first(answer.body, bytes)) await exchange.body(chunk);
    await sleep(ARRIVAL_MS);
    await exchange.close();
  };

/** Sends so many bytes of the body and then nothing, for as long as the client waits. */
export const stallAfter =
  (upstream: string, bytes: number): Lie =>
  async (exchange) => {
    const answer = await ask(exchange, upstream);
    await exchange.head(answer.status, answer.headers);
    for await (const chunk of first(answer.body, bytes)) await exchange.body(chunk);
    await exchange.silence();
  };

/** Takes the request, and never says a word. */
export const stallAtOnce: Lie = async (exchange) => await exchange.silence();

/** Ends the connection instead of an answer. */
export const hangUp: Lie = async (exchange) => await exchange.close();

/** Slowly: `bytes` at a time, with a pause between. */
export const trickle = (upstream: string, bytes: number, pauseMs: number): Lie =>
  changed(upstream, (answer) => ({
    ...answer,
    body: (async function* () {
      for await (const chunk of answer.body)
        for (let at = 0; at < chunk.length; at += bytes) {
          yield chunk.subarray(at, at + bytes);
          await sleep(pauseMs);
        }
    })(),
  }));

/** One bit of the body is another. */
export const flipBit = (upstream: string, at: number): Lie =>
  changed(upstream, (answer) => ({
    ...answer,
    body: (async function* () {
      let position = 0;
      for await (const chunk of answer.body) {
        const copy = Buffer.from(chunk);
        const here = at - position;
        if (here >= 0 && here < copy.length) copy[here] = (copy[here] ?? 0) ^ 1;
        position += copy.length;
        yield copy;
      }
    })(),
  }));

/** Headers that are not the registry's; undefined takes one away. */
export const withHeaders = (upstream: string, headers: Record<string, string | undefined>): Lie =>
  changed(upstream, (answer) => {
    const all = Object.entries({ ...answer.headers, ...headers });
    return {
      ...answer,
      headers: Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined)),
    };
  });

/** The body is `difference` bytes shorter (negative) or longer than the registry's, and the length says so. */
export const otherLength =
  (upstream: string, difference: number): Lie =>
  async (exchange) => {
    const answer = await ask(exchange, upstream);
    const length = Number(answer.headers["content-length"]) + difference;
    await exchange.head(answer.status, { ...answer.headers, "content-length": String(length) });
    for await (const chunk of first(answer.body, length)) await exchange.body(chunk);
    if (difference > 0) await exchange.body(Buffer.alloc(difference));
  };

/** As a server that knows nothing of Range. */
export const ignoreRange =
  (upstream: string): Lie =>
  async (exchange) =>
    await relay(exchange, await ask(exchange, upstream, { range: undefined }));

/** Answers with this, whatever was asked. */
export const reply =
  (status: number, headers: Record<string, string> = {}, body: Uint8Array | string = ""): Lie =>
  async (exchange) =>
    await exchange.respond(status, headers, body);

/** To the same path elsewhere. */
export const redirect =
  (origin: string, status = 307): Lie =>
  async (exchange) =>
    await exchange.respond(status, { location: `${origin}${exchange.request.path}` });

/** Bearer tokens for a registry that has no authentication of its own. */
export const requireToken =
  (tokens: TokenServer): Lie =>
  async (exchange) => {
    const { headers, path } = exchange.request;
    const repository = /^\/v2\/(.+)\/(?:blobs|manifests)\//.exec(path)?.[1];
    if (repository !== undefined && tokens.accepts(headers.authorization, repository, "pull")) return;
    const body = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}';
    await exchange.respond(401, { "www-authenticate": challenge(tokens, repository ?? "") }, body);
  };

/** The first bytes of a stream. */
async function* first(stream: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  if (left <= 0) return;
  for await (const chunk of stream) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}
