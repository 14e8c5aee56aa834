import { LocalTransport } from "./transport/local/transport.ts";
import type { Transport } from "./transport/types.ts";

let shared: Transport | undefined;

/** For callers that have no client of their own: this host's machines. Starts nothing by itself. */
export function defaultTransport(): Transport {
  shared ??= new LocalTransport();
  return shared;
}
