import { SmolError } from "../../errors.ts";
import { type Connections, exchange, Transient } from "../http/index.ts";
import type { Endpoint } from "./endpoint.ts";

const MAX_SILENCE_MS = 10_000;

/**
 * Finds out whether a server speaks https or plain http, where both are allowed. On this machine http comes first: it
 * nearly always is http, and nobody listens in between. Elsewhere, declared insecure, https comes first, as in docker.
 * Nothing secret is sent.
 *
 * @returns the URL that paths of the API are relative to.
 * @throws Transient, SmolError
 */
export async function findBase(
  endpoint: Endpoint,
  connections: Connections,
  signal: AbortSignal | undefined,
): Promise<URL> {
  const https = new URL(`https://${endpoint.host}/`);
  const http = new URL(`http://${endpoint.host}/`);
  if (endpoint.scheme !== undefined) return endpoint.scheme === "https" ? https : http;
  const [first, second] = endpoint.insecure ? [https, http] : [http, https];
  const one = await tryBase(first, connections, signal);
  if (one === "speaks") return first;
  const other = await tryBase(second, connections, signal);
  if (other === "speaks") return second;
  // A bad certificate says more than that plain http did not work either.
  if (errorOf(other)?.code === "registry.tls") return failureOf(other);
  // Status 400 and then no https either: a server of plain http that does not like the question.
  return one === "wants TLS" ? first : failureOf(one);
}

type Attempt = "speaks" | "wants TLS" | { readonly failure: unknown };

async function tryBase(
  base: URL,
  connections: Connections,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  try {
    const url = new URL("/v2/", base);
    // A server of plain http may wait for the end of what it cannot understand.
    const stallMs = Math.min(connections.stallMs, MAX_SILENCE_MS);
    const answer = await exchange({ url, method: "GET", headers: {}, signal }, { ...connections, stallMs });
    await answer.body.discard();
    // What servers that want TLS answer to plain http, if they do not close the connection.
    return base.protocol === "http:" && answer.status === 400 ? "wants TLS" : "speaks";
  } catch (failure) {
    signal?.throwIfAborted();
    return { failure };
  }
}

function failureOf(attempt: Attempt): never {
  throw typeof attempt === "string" ? new Error(`the server ${attempt}`) : attempt.failure;
}

function errorOf(attempt: Attempt): SmolError | undefined {
  if (typeof attempt === "string") return undefined;
  const { failure } = attempt;
  const error = failure instanceof Transient ? failure.error : failure;
  return error instanceof SmolError ? error : undefined;
}
