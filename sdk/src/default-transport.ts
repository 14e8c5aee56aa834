import { LazyTransport } from "./transport/lazy.ts";
import { addressOf, type ServerOptions } from "./transport/serve/address.ts";
import type { Transport } from "./transport/types.ts";

let shared: Transport | undefined;

/** For callers that have no client of their own. Starts nothing by itself. */
export function defaultTransport(): Transport {
  shared ??= transportFor({});
  return shared;
}

/** Who is asked for machines: a program of this host, or a server. */
export type Place = { readonly bin?: string | undefined; readonly url?: string | undefined } & Omit<
  ServerOptions,
  "url"
>;

/**
 * This host's machines by way of `bin`; else those of the server that is named, here or by SMOLVM_URL; else this host's.
 *
 * @throws SmolvmError `sdk.bad_request` for a server's address that is none
 */
export function transportFor({ bin, url, token, tls }: Place): Transport {
  const { SMOLVM_URL, SMOLVM_TOKEN } = process.env;
  const server = bin === undefined ? (url ?? (SMOLVM_URL || undefined)) : undefined;
  if (server === undefined)
    return new LazyTransport(async () => {
      const { LocalTransport } = await import("./transport/local/transport.ts");
      return new LocalTransport(bin);
    });
  const address = addressOf({ url: server, token: token ?? (SMOLVM_TOKEN || undefined), tls });
  return new LazyTransport(async () => {
    const { ServeTransport } = await import("./transport/serve/transport.ts");
    return new ServeTransport(address);
  });
}
