/** The routes behind one function from a request to an answer: who may ask, what is asked, how it ends. */
import { Hono } from "hono";
import { unlessAborted } from "../../within.ts";
import { problemAnswer, problemOf, Refused } from "../errors.ts";
import { queryValues, read } from "../schema/read.ts";
import type { Serving } from "../serving.ts";
import { TimeLimit } from "../time-limit.ts";
import { jsonOf } from "./body.ts";
import { checkRequest, type Door } from "./guard.ts";
import type { Asked, Param, Route } from "./route.ts";

/** Requests that are worked on at once: each may hold a connection to a machine, and memory of its answer. */
const MAX_REQUESTS = 1024;

/** Of a page that asks whether it may ask, in seconds. */
const PREFLIGHT_SECONDS = 600;

/** What the router has beside the request. */
interface Bindings {
  /** The routes of its path, whatever the method. */
  readonly found: readonly Route[];
}

export type Answer = (request: Request, door: Door) => Promise<Response>;

export function makeApp(routes: readonly Route[], serving: Serving): Answer {
  const app = new Hono<{ Bindings: Bindings }>({ strict: false });
  for (const route of routes)
    app.on(route.method.toUpperCase(), honoPath(route.path), (c) => answerTo(route, c.req.raw, serving));
  app.notFound((c) => problemAnswer(unmatched(c.env.found, c.req.method)));
  app.onError((error) => problemAnswer(error));
  let working = 0;
  return async (request, door) => {
    const begun = performance.now();
    const traceId = crypto.getRandomValues(Buffer.alloc(8)).toString("hex");
    const { pathname } = new URL(request.url);
    const found = matching(routes, pathname);
    let failure: unknown;
    let answer: Response;
    try {
      if (++working > MAX_REQUESTS)
        throw new Refused("UNAVAILABLE", "the server has as much work as it takes", { "retry-after": "1" });
      checkRequest(request, door, { ...serving.options, open: found[0]?.open ?? false });
      answer = request.method === "OPTIONS" ? preflight(found) : await app.fetch(request, { found });
    } catch (error) {
      failure = error;
      answer = problemAnswer(error);
    } finally {
      working--;
    }
    if (answer.status !== STATUS_SWITCHED) decorate(answer.headers, request, serving, traceId);
    serving.metrics.request(request.method, seriesOf(found[0]), answer.status);
    const milliseconds = Math.round(performance.now() - begun);
    serving.options.log?.({
      method: request.method,
      path: pathname,
      status: answer.status,
      milliseconds,
      traceId,
      failure: failure === undefined ? undefined : wordsOf(failure),
    });
    return answer;
  };
}

const STATUS_SWITCHED = 101;

/** `{path}`, which is last, takes the rest. */
const honoPath = (path: string) =>
  path.replace(/\{(\w+)\}/g, (_, name) => (name === "path" ? ":path{.+}" : `:${name}`));

async function answerTo(route: Route, request: Request, serving: Serving): Promise<Response> {
  const limit = new TimeLimit(route.limit === "server" ? serving.options.requestTimeoutMs : undefined);
  const signal = AbortSignal.any([request.signal, limit.signal]);
  try {
    const asked: Asked = {
      params: paramsOf(route, request.url),
      query: queryOf(route, request.url),
      body: await bodyOf(route, request, signal),
      ...{ request, signal, serving },
    };
    const answer = await unlessAborted(route.handle(asked), limit.signal);
    if (request.method !== "HEAD") return answer;
    // Nobody reads what a GET would have said, so what would say it has to be told to end.
    limit.abort();
    answer.body?.cancel().catch(() => {});
    return new Response(null, answer);
  } catch (error) {
    if (isTimeout(error)) return problemAnswer(new Refused("TIMEOUT", "the request took too long"));
    if (!(error instanceof Refused) && problemOf(error).code === "INTERNAL_ERROR")
      serving.context.note(wordsOf(error));
    return problemAnswer(error);
  } finally {
    limit.clear();
  }
}

const isTimeout = (error: unknown) => error instanceof DOMException && error.name === "TimeoutError";

const wordsOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);

/** Decoded once each; the router has decoded some of them, and not all. */
function paramsOf(route: Route, url: string): Asked["params"] {
  const given = new URL(url).pathname.split("/");
  const params = { name: "", id: "", path: "" };
  for (const [index, part] of route.path.split("/").entries()) {
    const name = /^\{(\w+)\}$/.exec(part)?.[1] as Param | undefined;
    if (name === undefined) continue;
    const raw = name === "path" ? given.slice(index).join("/") : (given[index] ?? "");
    try {
      params[name] = decodeURIComponent(raw);
    } catch {
      throw new Refused("BAD_REQUEST", "the path has a `%` that is no part of an encoded character");
    }
  }
  return params;
}

function queryOf(route: Route, url: string): unknown {
  const { searchParams } = new URL(url);
  if (route.query !== undefined) return read(route.query, queryValues(route.query, searchParams), "query");
  const [unknown] = searchParams.keys();
  if (unknown === undefined) return {};
  throw new Refused(
    "BAD_REQUEST",
    `unknown field ${JSON.stringify(unknown)} in the query: there are none here`,
  );
}

async function bodyOf({ body }: Route, request: Request, signal: AbortSignal): Promise<unknown> {
  if (body === undefined || body === "bytes") return undefined;
  const { schema, former, optional = false } = body;
  return read(schema, await unlessAborted(jsonOf(request, optional), signal), "body", former);
}

/** The routes that a path leads to, whatever the method. */
function matching(routes: readonly Route[], pathname: string): readonly Route[] {
  return routes.filter(({ path }) => patternTo(path).test(pathname));
}

const patterns = new Map<string, RegExp>();

function patternTo(path: string): RegExp {
  const known = patterns.get(path);
  if (known !== undefined) return known;
  const text = path
    .replace(/[.]/g, "\\.")
    .replace(/\{(\w+)\}/g, (_, name) => (name === "path" ? ".+" : "[^/]+"));
  const pattern = new RegExp(`^${text}/?$`);
  patterns.set(path, pattern);
  return pattern;
}

/** What a series of metrics is called: never what a client has made up. */
const seriesOf = (route: Route | undefined): string =>
  route?.path.replace(/\{(?!path)\w+\}/g, ":id").replace("{path}", ":path") ?? "other";

/** @param found all routes of a path */
const methodsOf = (found: readonly Route[]): string[] => {
  const methods = found.map(({ method }) => method.toUpperCase());
  return methods.includes("GET") ? [...methods, "HEAD"] : methods;
};

function unmatched(found: readonly Route[], method: string): Refused {
  const methods = methodsOf(found);
  if (methods.length === 0)
    return new Refused("NOT_FOUND", "there is no such path: see /api-docs/openapi.json");
  return new Refused("METHOD_NOT_ALLOWED", `${method} is not possible here`, { allow: methods.join(", ") });
}

/** CORS (WHATWG Fetch, 3.2): a page asks whether it may ask. Which origins may is checked before. */
function preflight(found: readonly Route[]): Response {
  const methods = methodsOf(found);
  if (methods.length === 0) throw unmatched(found, "OPTIONS");
  return new Response(null, {
    status: 204,
    headers: {
      allow: methods.join(", "),
      "access-control-allow-methods": methods.join(", "),
      "access-control-allow-headers": "content-type, authorization",
      "access-control-max-age": String(PREFLIGHT_SECONDS),
    },
  });
}

function decorate(headers: Headers, request: Request, { options }: Serving, traceId: string): void {
  headers.set("x-trace-id", traceId);
  headers.set("x-content-type-options", "nosniff");
  headers.append("vary", "origin");
  const origin = request.headers.get("origin");
  if (origin === null || !options.origins.includes(origin)) return;
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-expose-headers", "x-trace-id");
}
