/** All of the API, its own description included. */
import { looseObject, string } from "valibot";
import { openApiDocument } from "../document.ts";
import { jsonRoute, type Route, rawRoute } from "../http/route.ts";
import { documentationPage } from "../page.ts";
import { routes } from "./index.ts";

const tag = "documentation";

const describing: readonly Route[] = [
  jsonRoute({
    ...{ method: "get", path: "/api-docs/openapi.json", id: "openapi", tag, limit: "server" },
    summary: "This document",
    answer: { schema: looseObject({ openapi: string() }), about: "OpenAPI 3.1." },
    handle: () => openApiDocument(allRoutes) as { openapi: string },
  }),
  rawRoute({
    ...{ method: "get", path: "/docs", id: "documentation", tag, limit: "server" },
    summary: "This document, for people",
    answer: { type: "text/html", about: "A page that loads nothing from elsewhere." },
    handle: () =>
      new Response(documentationPage(openApiDocument(allRoutes)), {
        headers: {
          "content-type": "text/html; charset=utf-8",
          // It has no script: nothing that a document says can become one.
          "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        },
      }),
  }),
];

export const allRoutes: readonly Route[] = [...routes, ...describing];
