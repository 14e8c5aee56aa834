/** MCP over HTTP: a POST for each message, and its answer in JSON (basic/transports/streamable-http). */
import { Refused, STATUS } from "../../serve/errors.ts";
import { jsonOf } from "../../serve/http/body.ts";
import { letPagesRead, preflight } from "../../serve/http/cors.ts";
import { checkRequest } from "../../serve/http/guard.ts";
import { unlessAborted } from "../../within.ts";
import { statedVersion, unsupportedVersion } from "../protocol/era.ts";
import { MAX_REQUESTS } from "../protocol/limits.ts";
import {
  checkMessage,
  ErrorCode,
  failureMessage,
  type Json,
  LEGACY_VERSIONS,
  MODERN_VERSION,
  ProtocolFailure,
  resultMessage,
} from "../protocol/messages.ts";
import { type Request as Asked, answer, type ToolBox } from "../protocol/server.ts";

export interface HttpOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly token: string | undefined;
  /** Origins of web pages that may ask. */
  readonly origins: readonly string[];
  readonly onFault: (error: unknown) => void;
}

export interface HttpServer {
  readonly url: string;
  /** Takes no more requests, and cancels those that there are. */
  stop(): Promise<void>;
}

const PATH = "/mcp";

/** What web pages may send. */
const PAGE_HEADERS = ["content-type", "authorization", "mcp-protocol-version", "mcp-method", "mcp-name"];

/** Seconds without a byte of a request that is not complete; what is being worked on has no limit but the tool's. */
const IDLE_SECONDS = 30;

/** Starts a server. @throws what `Bun.serve` throws */
export function serveHttp(tools: ToolBox, options: HttpOptions): HttpServer {
  const ending = new AbortController();
  let running = 0;
  const server = Bun.serve({
    hostname: options.host,
    port: options.port,
    idleTimeout: IDLE_SECONDS,
    development: false,
    fetch: async (request, own) => {
      if (running >= MAX_REQUESTS) return new Response(null, { status: 503 });
      running++;
      try {
        const signal = AbortSignal.any([request.signal, ending.signal]);
        const answer = await respond(tools, options, request, signal, () => own.timeout(request, 0));
        // Who does not read it is not waited for.
        own.timeout(request, IDLE_SECONDS);
        letPagesRead(answer.headers, request, { origins: options.origins, exposed: [] });
        return answer;
      } finally {
        running--;
      }
    },
  });
  const shown = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `http://${shown}:${server.port}${PATH}`,
    stop: async () => {
      ending.abort(new Error("the server ends"));
      await server.stop(true);
    },
  };
}

async function respond(
  tools: ToolBox,
  { token, origins, onFault }: HttpOptions,
  request: Request,
  signal: AbortSignal,
  whenRead: () => void,
): Promise<Response> {
  try {
    checkRequest(request, { isPrivate: false }, { token, origins, open: false });
    if (new URL(request.url).pathname !== PATH) return new Response(null, { status: 404 });
    if (request.method === "OPTIONS") return preflight(["POST"], PAGE_HEADERS);
    // There is neither a stream to open by GET, nor a session to end by DELETE.
    if (request.method !== "POST") return new Response(null, { status: 405, headers: { allow: "POST" } });
    const message = checkMessage(await unlessAborted(bodyOf(request), signal));
    whenRead();
    if (message.kind !== "request") return new Response(null, { status: 202 });
    checkHeaders(request.headers, message);
    return json(200, resultMessage(message.id, await answer(tools, message, signal)));
  } catch (error) {
    if (error instanceof Refused) return refusal(error);
    if (error instanceof ProtocolFailure) return json(statusOf(error), failureMessage(error));
    if (signal.aborted) return new Response(null, { status: 503 });
    onFault(error);
    const failure = new ProtocolFailure(ErrorCode.internal, "a fault of the server's own");
    return json(500, failureMessage(failure));
  }
}

/** @throws Refused; ProtocolFailure for what is no JSON */
async function bodyOf(request: Request): Promise<unknown> {
  try {
    return await jsonOf(request, false);
  } catch (error) {
    if (error instanceof Refused && error.code === "BAD_REQUEST")
      throw new ProtocolFailure(ErrorCode.parse, error.message);
    throw error;
  }
}

/**
 * What headers say about a request has to be what its body says ("Server Validation"): others on the way go by them.
 *
 * @throws ProtocolFailure
 */
function checkHeaders(headers: Headers, { id, method, params }: Asked): void {
  const version = headers.get("mcp-protocol-version");
  const stated = statedVersion(params);
  const mismatch = (name: string) =>
    new ProtocolFailure(ErrorCode.headerMismatch, `Header mismatch: ${name} is not what the body says`, {
      id,
    });
  if (stated === undefined) {
    if (version === null || LEGACY_VERSIONS.some((known) => known === version)) return;
    if (version === MODERN_VERSION && method !== "initialize") throw mismatch("MCP-Protocol-Version");
    if (method !== "initialize") throw unsupportedVersion(version, id);
    return;
  }
  if (version !== stated) throw mismatch("MCP-Protocol-Version");
  if (stated !== MODERN_VERSION) return;
  if (headers.get("mcp-method") !== method) throw mismatch("Mcp-Method");
  if (method === "tools/call" && decoded(headers.get("mcp-name")) !== params.name) throw mismatch("Mcp-Name");
}

/** What is no plain ASCII comes as `=?base64?…?=` ("Value Encoding"). */
function decoded(value: string | null): string | undefined {
  const encoded = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/.exec(value ?? "")?.[1];
  return encoded === undefined ? (value ?? undefined) : Buffer.from(encoded, "base64").toString();
}

function statusOf({ code }: ProtocolFailure): number {
  return code === ErrorCode.methodNotFound ? 404 : code === ErrorCode.internal ? 500 : 400;
}

function refusal(refused: Refused): Response {
  const failure = new ProtocolFailure(ErrorCode.invalidRequest, refused.message);
  return json(STATUS[refused.code], failureMessage(failure), refused.headers);
}

const json = (status: number, body: Json, headers: Readonly<Record<string, string>> = {}) =>
  Response.json(body, { status, headers: { ...headers, "x-content-type-options": "nosniff" } });
