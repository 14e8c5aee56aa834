import { SmolError } from "../../errors.ts";
import { version } from "../../version.ts";
import { endsWithin } from "../../within.ts";
import { Body, stalled } from "./body.ts";
import { Transient } from "./failure.ts";
import { networkError, proxyRefusal } from "./network-error.ts";
import { chooseProxy, type ProxyChoice } from "./proxy.ts";
import type { TlsOptions } from "./trust.ts";

/** How servers are reached. */
export interface Connections {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly proxy: ProxyChoice | undefined;
  readonly stallMs: number;
  readonly connectMs: number;
  /** Whom to trust at this address. */
  readonly tls: (url: URL) => Promise<TlsOptions>;
}

export interface Request {
  readonly url: URL;
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "PATCH";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
}

/**
 * One request and its answer; redirects are answers too. The bytes of the body are those on the wire: nothing is
 * decompressed before they are counted and hashed.
 *
 * @throws Transient, or SmolError for what will not pass.
 */
export async function exchange(request: Request, connections: Connections): Promise<Answer> {
  const { url, signal } = request;
  const proxy = chooseProxy(url, connections.env, connections.proxy);
  const tls = url.protocol === "https:" ? await connections.tls(url) : undefined;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const abort = () => controller.abort();
  signal?.addEventListener("abort", abort, { once: true });
  const release = () => signal?.removeEventListener("abort", abort);
  const context = { url, proxy: proxy?.host, stallMs: connections.stallMs, abort, release, signal };
  try {
    const fetching = send(request, { proxy: proxy?.url, tls, signal: controller.signal });
    const stallMs = connections.stallMs + sendingMs(request);
    const response = await inTime(fetching, proxy?.address ?? url, { ...connections, stallMs });
    const { status, headers } = response;
    const body = new Body(response.body, context);
    if (status !== 407 || proxy === undefined) return { url, status, headers, body };
    // Plain http is not tunnelled: the proxy's refusal comes as the answer.
    await body.cancel();
    throw proxyRefusal(url, proxy.host, status);
  } catch (error) {
    release();
    abort();
    signal?.throwIfAborted();
    throw error instanceof Transient || error instanceof SmolError
      ? error
      : networkError(error, url, proxy?.host);
  }
}

/** Slower than this nobody sends: 64 KiB/s. fetch does not tell how much of a body is on its way. */
const SLOWEST_BYTES_PER_MS = 64;

/** How long sending the body may take, before the wait for an answer begins. */
const sendingMs = ({ body = "" }: Request): number => body.length / SLOWEST_BYTES_PER_MS;

/** Starts fetch with nothing left to the environment of the process, which it would obey by itself. */
function send(
  request: Request,
  options: { proxy: string | undefined; tls: TlsOptions | undefined; signal: AbortSignal },
): Promise<Response> {
  const { url, method, headers, body } = request;
  const init: BunFetchRequestInit = {
    method,
    headers: { "User-Agent": `smolvm/${version}`, "Accept-Encoding": "identity", ...headers },
    redirect: "manual",
    decompress: false,
    signal: options.signal,
    body,
    // Bun takes no undefined here.
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  };
  // Whether to use a proxy is decided already; fetch would look at HTTP_PROXY and NO_PROXY again.
  if (options.proxy === undefined) return fetch(url, { ...init, proxy: false });
  return fetch(url, { ...init, proxy: { url: options.proxy, respectNoProxy: false } });
}

/** Waits for the head of the answer: as long as `stallMs`, or `connectMs` when not even a connection is possible. */
async function inTime(
  fetching: Promise<Response>,
  address: URL,
  connections: Connections,
): Promise<Response> {
  const { stallMs, connectMs } = connections;
  const { promise, reject } = Promise.withResolvers<never>();
  const stallTimer = setTimeout(() => reject(stalled(address, stallMs)), stallMs);
  // fetch does not say whether it is connected. After half the time a second connection finds out.
  const probeTimer = setTimeout(() => {
    canConnect(address, connectMs / 2).then((can) => {
      if (!can) reject(unconnected(address, connectMs));
    });
  }, connectMs / 2);
  fetching.catch(() => {});
  try {
    return await Promise.race([fetching, promise]);
  } finally {
    clearTimeout(stallTimer);
    clearTimeout(probeTimer);
  }
}

async function canConnect(address: URL, withinMs: number): Promise<boolean> {
  const port = Number(address.port) || (address.protocol === "https:" ? 443 : 80);
  const hostname = address.hostname.replace(/^\[|\]$/g, "");
  // Refused, or no such host, is an end too: fetch says so itself, and better.
  const connecting = Bun.connect({ hostname, port, socket: { data() {} } }).then((socket) => socket.end());
  return await endsWithin(connecting, withinMs);
}

const unconnected = (address: URL, connectMs: number) =>
  new Transient(
    new SmolError(
      "registry.unreachable",
      `no connection to ${address.host} within ${connectMs / 1000} seconds`,
      {
        hint: "a firewall may be in between; a proxy comes from HTTPS_PROXY or --proxy",
      },
    ),
    { absent: true },
  );
