/**
 * The machine library over HTTP: docs/http-api.md, docs/design/serve.md. Loaded by `smolvm serve` alone.
 */
import { openApiDocument } from "./document.ts";
import { allRoutes } from "./routes/all.ts";

export type { Place, Tls } from "./http/listen.ts";
export { type RunningServer, type StartOptions, startServer } from "./server.ts";
export type { LogEntry } from "./serving.ts";

/** The API's OpenAPI 3.1 document. */
export const apiDocument = (): Record<string, unknown> => openApiDocument(allRoutes);
