import type { Exchange } from "./exchange.ts";

/** Names that are for one connection only (RFC 9110 7.6.1), and what fetch sets itself. */
const HOP = ["connection", "host", "keep-alive", "transfer-encoding", "accept-encoding"];

/** What the registry behind a proxy answers to a request. */
export interface Upstream {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Asks the registry what the client asks. @param changes headers that replace the client's; undefined: left away */
export async function ask(
  exchange: Exchange,
  upstream: string,
  changes: Readonly<Record<string, string | undefined>> = {},
): Promise<Upstream> {
  const { method, path, headers } = exchange.request;
  const sent = new Headers();
  for (const [name, value] of Object.entries({ ...headers, ...changes }))
    if (value !== undefined && !HOP.includes(name)) sent.set(name, value);
  const response = await fetch(`${upstream}${path}`, {
    method,
    headers: sent,
    redirect: "manual",
    decompress: false,
  });
  const received: Record<string, string> = {};
  response.headers.forEach((value, name) => {
    if (!HOP.includes(name)) received[name] = value;
  });
  return { status: response.status, headers: received, body: response.body ?? nothing() };
}

/** Passes a request on, and the answer back. */
export async function forward(exchange: Exchange, upstream: string): Promise<void> {
  await relay(exchange, await ask(exchange, upstream));
}

/** Sends an answer as it is. */
export async function relay(exchange: Exchange, { status, headers, body }: Upstream): Promise<void> {
  const isWhole = headers["content-length"] !== undefined || status === 204 || status === 304;
  await exchange.head(status, isWhole ? headers : { ...headers, connection: "close" });
  if (exchange.request.method !== "HEAD") for await (const chunk of body) await exchange.body(chunk);
  // Without a length, the end of the connection is the end of the body.
  if (!isWhole) await exchange.close();
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
