/** The routes behind one function from a request to an answer: who may ask, what is asked, how it ends. */
import { unlessAborted } from "../../within.ts";
import { hiddenWords, type Problem, problemAnswer, problemOf, Refused } from "../errors.ts";
import { Rest } from "../rest.ts";
import { queryValues, read } from "../schema/read.ts";
import type { Serving } from "../serving.ts";
import { TimeLimit } from "../time-limit.ts";
import { jsonOf } from "./body.ts";
import { letPagesRead, preflight } from "./cors.ts";
import { checkRequest, type Door } from "./guard.ts";
import { matcherOf, methodsOf, paramsOf, routeFor, seriesOf } from "./paths.ts";
import type { Asked, Route } from "./route.ts";

/** Requests that are worked on at once: each may hold a connection to a machine, and memory of its answer. */
const MAX_REQUESTS = 1024;

/** What web pages may send. */
const PAGE_HEADERS = ["content-type", "authorization"];

export type Answer = (request: Request, door: Door) => Promise<Response>;

export function makeApp(routes: readonly Route[], serving: Serving): Answer {
  const matching = matcherOf(routes);
  const rest = new Rest();
  let working = 0;
  return async (request, door) => {
    const begun = performance.now();
    const traceId = crypto.getRandomValues(Buffer.alloc(8)).toString("hex");
    const { pathname } = new URL(request.url);
    const found = matching(pathname);
    const { log } = serving.options;
    let failure: string | undefined;
    let isAnswered = false;
    // What the client is not told the log is, where the trace id leads to it: also in the middle of a stream.
    const explain = (error: unknown): Problem => {
      const problem = problemOf(error);
      const hidden = hiddenWords(error);
      if (!isAnswered) failure = hidden ?? problem.error;
      if (hidden !== undefined && (isAnswered || log === undefined))
        serving.context.note(`${traceId} ${request.method} ${pathname}: ${hidden}`);
      return problem;
    };
    let answer: Response;
    rest.interrupt();
    try {
      if (++working > MAX_REQUESTS)
        throw new Refused("UNAVAILABLE", "the server has as much work as it takes", { "retry-after": "1" });
      checkRequest(request, door, { ...serving.options, open: found[0]?.open ?? false });
      if (request.method === "OPTIONS") answer = preflight(methodsOf(found), PAGE_HEADERS);
      else answer = await answerTo(routeFor(found, request.method), request, { pathname, serving, explain });
    } catch (error) {
      answer = problemAnswer(explain(error), error);
    } finally {
      if (--working === 0) rest.begin();
      isAnswered = true;
    }
    if (answer.status !== STATUS_SWITCHED) decorate(answer.headers, request, serving, traceId);
    serving.metrics.request(request.method, seriesOf(found), answer.status);
    const milliseconds = Math.round(performance.now() - begun);
    const { method } = request;
    log?.({ method, path: pathname, status: answer.status, milliseconds, traceId, failure });
    return answer;
  };
}

const STATUS_SWITCHED = 101;

async function answerTo(
  route: Route,
  request: Request,
  { pathname, serving, explain }: Pick<Asked, "serving" | "explain"> & { readonly pathname: string },
): Promise<Response> {
  const ended = isStream(route) ? serving.streams.take() : () => {};
  const limit = new TimeLimit(route.limit === "server" ? serving.options.requestTimeoutMs : undefined);
  const signal = AbortSignal.any([request.signal, limit.signal]);
  try {
    const asked: Asked = {
      params: paramsOf(route, pathname),
      query: queryOf(route, request.url),
      body: await bodyOf(route, request, signal),
      ...{ request, signal, serving, explain, ended },
    };
    const answer = await unlessAborted(route.handle(asked), limit.signal);
    if (request.method !== "HEAD") return answer;
    // Nobody reads what a GET would have said, so what would say it has to be told to end.
    limit.abort();
    answer.body?.cancel().catch(() => {});
    return new Response(null, answer);
  } catch (error) {
    ended();
    if (isTimeout(error)) throw new Refused("TIMEOUT", "the request took too long");
    throw error;
  } finally {
    limit.clear();
  }
}

/** Whether its answer goes on for as long as there is something to say. */
const isStream = ({ limit, answer }: Route): boolean => limit === "none" && !("schema" in answer);

const isTimeout = (error: unknown) => error instanceof DOMException && error.name === "TimeoutError";

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

function decorate(headers: Headers, request: Request, { options }: Serving, traceId: string): void {
  headers.set("x-trace-id", traceId);
  headers.set("x-content-type-options", "nosniff");
  letPagesRead(headers, request, { origins: options.origins, exposed: ["x-trace-id"] });
}
