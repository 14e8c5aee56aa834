import { LocalTransport } from "./transport/local/transport.ts";
import { type ServerOptions, ServeTransport } from "./transport/serve/index.ts";
import type { Transport } from "./transport/types.ts";

let shared: Transport | undefined;

/** For callers that have no client of their own. Starts nothing by itself. */
export function defaultTransport(): Transport {
  shared ??= transportFor({});
  return shared;
}

/** To the server that is named, here or by SMOLVM_URL; else to this host's machines. */
export function transportFor({
  url,
  token,
  tls,
}: { readonly url?: string | undefined } & Omit<ServerOptions, "url">): Transport {
  const { SMOLVM_URL, SMOLVM_TOKEN } = process.env;
  const place = url ?? (SMOLVM_URL || undefined);
  if (place === undefined) return new LocalTransport();
  return new ServeTransport({ url: place, token: token ?? (SMOLVM_TOKEN || undefined), tls });
}
