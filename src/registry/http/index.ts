/** HTTP as registries need it: no surprises from redirects, proxies, certificates, or servers that fall silent. */
export { notNow, saidReason } from "./answer-error.ts";
export type { Body } from "./body.ts";
export { type ContentRange, contentLength, parseContentRange } from "./content-range.ts";
export { decodeDocument, encodedLimit, encodingOf, unexpectedEncoding } from "./encoding.ts";
export { type Answer, type Connections, exchange, type Request } from "./exchange.ts";
export { Transient } from "./failure.ts";
export { isLoopback, type ProxyChoice, proxySecrets } from "./proxy.ts";
export { follow } from "./redirect.ts";
export { Secrets } from "./secrets.ts";
export { loadTrust, type TlsOptions } from "./trust.ts";
