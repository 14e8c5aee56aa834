/** Machines of a server, over its HTTP API. */
export type { ServerOptions } from "./address.ts";
export { ServeTransport } from "./transport.ts";
