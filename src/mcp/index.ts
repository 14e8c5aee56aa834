/**
 * Machines for models: the Model Context Protocol in both of its generations, over stdio and HTTP (docs/mcp.md). Loaded by
 * `smolvm mcp` alone.
 */
export { type Ceilings, LEAST_DISK_GIB, USUAL_DISK_GIB } from "./ceilings.ts";
export { startersImage } from "./images.ts";
export { Machines } from "./machines.ts";
export { makeToolBox, TOOL_NAMES } from "./tools/index.ts";
export { type HttpServer, serveHttp } from "./transport/http.ts";
export { serveStreams } from "./transport/stdio.ts";
