import type { Lie } from "./proxy.ts";

/** A document or blob of ours, with ranges. */
export const serve =
  (bytes: Uint8Array, mediaType: string): Lie =>
  async (exchange) => {
    const start = Number(/^bytes=(\d+)-/.exec(exchange.request.headers.range ?? "")?.[1] ?? 0);
    const range = start > 0 ? { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` } : {};
    const headers = { "content-type": mediaType, ...range };
    await exchange.respond(start > 0 ? 206 : 200, headers, bytes.subarray(start));
  };
