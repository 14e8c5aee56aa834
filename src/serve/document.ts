/** The OpenAPI document (3.1), made of the routes. */
import { toJsonSchema } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import { version } from "../version.ts";
import { STATUS } from "./errors.ts";
import type { Param, Route } from "./http/route.ts";
import { machineName, volumeName } from "./schema/fields.ts";

type Json = Record<string, unknown>;

/** What only a function can tell is not in a schema. */
function schemaOf(schema: GenericSchema): Json {
  const { $schema: _, ...made } = toJsonSchema(schema, { errorMode: "ignore", typeMode: "input" });
  return made as Json;
}

const problem = {
  description: "Why not.",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Problem" } } },
};

const text = { type: "string", minLength: 1 };

/** The free parts of paths. */
const PARTS: Readonly<Record<Param, { readonly description: string; readonly schema: Json }>> = {
  name: { description: "Of the machine.", schema: schemaOf(machineName) },
  volume: { description: "Of the volume.", schema: schemaOf(volumeName) },
  id: { description: "Of the process.", schema: text },
  path: { description: "In the machine, without its first slash; slashes need no encoding.", schema: text },
};

const partsOf = ({ path }: Route): Param[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as Param);

function operationOf(route: Route, routes: readonly Route[]): Json {
  const { id, tag, summary, description, query, body, answer, failures = [] } = route;
  const path = partsOf(route).map((name) => ({ name, in: "path", required: true, ...PARTS[name] }));
  return {
    ...{ operationId: id, tags: [tag], summary, description },
    security: route.open ? [] : [{}, { token: [] }],
    parameters: [...path, ...(query === undefined ? [] : parametersOf(schemaOf(query)))],
    requestBody: body && requestOf(body),
    responses: {
      [("status" in answer && answer.status) || 200]: { ...answerOf(answer), links: linksOf(route, routes) },
      ...Object.fromEntries([400, ...failures].map((status) => [status, problem])),
      default: problem,
    },
  };
}

/**
 * What can be asked next with what an answer names (OpenAPI 3.1, Link Object). A path within a machine is the caller's
 * to say.
 */
function linksOf(route: Route, routes: readonly Route[]): Json | undefined {
  const { gives } = route;
  if (gives === undefined) return undefined;
  const own = partsOf(route);
  const links = routes.flatMap((next) => {
    const parts = partsOf(next).filter((part) => part !== "path");
    if (!parts.some((part) => part in gives) || !parts.every((part) => part in gives || own.includes(part)))
      return [];
    const parameters = parts.map((part) => [
      part,
      part in gives ? `$response.body#${gives[part]}` : `$request.path.${part}`,
    ]);
    return [[next.id, { operationId: next.id, parameters: Object.fromEntries(parameters) }]];
  });
  return Object.fromEntries(links);
}

function parametersOf(schema: Json): Json[] {
  const { properties = {}, required = [] } = schema as { properties?: Json; required?: string[] };
  return Object.entries(properties).map(([name, value]) => {
    const { description, ...rest } = value as Json;
    return { name, in: "query", required: required.includes(name), description, schema: rest };
  });
}

function requestOf(body: NonNullable<Route["body"]>): Json {
  // None at all is an empty file.
  if (body === "bytes") return { required: false, content: { "application/octet-stream": {} } };
  return {
    required: !body.optional,
    content: { "application/json": { schema: schemaOf(body.schema) } },
  };
}

function answerOf(answer: Route["answer"]): Json {
  if ("schema" in answer)
    return {
      description: answer.about,
      content: { "application/json": { schema: schemaOf(answer.schema) } },
    };
  if (answer.type === "") return { description: answer.about };
  return { description: answer.about, content: { [answer.type]: {} } };
}

/** The whole document. */
export function openApiDocument(routes: readonly Route[]): Json {
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method]: operationOf(route, routes) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "smolvm",
      version,
      summary: "Machines of one host.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: {
        Problem: {
          type: "object",
          required: ["error", "code"],
          additionalProperties: false,
          properties: {
            error: { type: "string", description: "For people." },
            code: { type: "string", enum: Object.keys(STATUS) },
            reason: { type: "string", description: "Which of smolvm's own errors it is (docs/errors.md)." },
            hint: { type: "string", description: "What can be done about it." },
          },
        },
      },
    },
  };
}
