/** What the server answers to each method, in both generations of the protocol. Knows no transport. */
import { version } from "../../version.ts";
import { type Era, eraOf, SERVER_KEY } from "./era.ts";
import {
  ErrorCode,
  type Json,
  LEGACY_VERSIONS,
  type Message,
  MODERN_VERSION,
  ProtocolFailure,
  type RequestId,
} from "./messages.ts";

/** What a tool gives back (server/tools, "Tool Result"). */
export interface ToolResult {
  readonly content: readonly { readonly type: "text"; readonly text: string }[];
  readonly structuredContent: Json;
  readonly isError?: true;
}

/** The tools behind the protocol. */
export interface ToolBox {
  /** As `tools/list` shows them, always in this order. */
  readonly listed: readonly Json[];
  /** What the model is told about all of them. */
  readonly instructions: string;
  /**
   * What goes wrong in a tool is its result, so that the model sees it.
   *
   * @returns undefined when there is no such tool
   */
  call(name: string, given: unknown, signal: AbortSignal): Promise<ToolResult> | undefined;
}

/** Tools are fixed for the life of a server; an hour is what a client may believe it without asking again. */
const CACHE = { ttlMs: 3_600_000, cacheScope: "private" } as const;

const IDENTITY = { name: "smolvm", title: "smolvm machines", version } as const;
const CAPABILITIES = { tools: {} } as const;

export type Request = Extract<Message, { kind: "request" }>;

/**
 * @returns the result, without what JSON-RPC adds
 * @throws ProtocolFailure
 */
export async function answer(tools: ToolBox, request: Request, signal: AbortSignal): Promise<Json> {
  const { id, params } = request;
  if (request.method === "initialize") return initialized(tools, params);
  const era = eraOf(params, id);
  const result = await resultOf(tools, era, request, signal);
  if (era === "legacy") return result;
  return { resultType: "complete", ...result, _meta: { [SERVER_KEY]: IDENTITY } };
}

async function resultOf(
  tools: ToolBox,
  era: Era,
  { id, method, params }: Request,
  signal: AbortSignal,
): Promise<Json> {
  const isModern = era === "modern";
  switch (method) {
    case "tools/list":
      return { tools: tools.listed, ...(isModern ? CACHE : {}) };
    case "tools/call":
      return (await called(tools, id, params, signal)) as unknown as Json;
    case "server/discover":
      if (!isModern)
        throw new ProtocolFailure(ErrorCode.invalidParams, "server/discover needs _meta", { id });
      return {
        supportedVersions: [MODERN_VERSION],
        capabilities: CAPABILITIES,
        instructions: tools.instructions,
        ...CACHE,
      };
    case "ping":
      if (!isModern) return {};
  }
  throw new ProtocolFailure(ErrorCode.methodNotFound, "Method not found", { id });
}

/** Another version than the client's is an offer, which it may refuse (2025-11-25, lifecycle). */
function initialized(tools: ToolBox, { protocolVersion }: Json): Json {
  const agreed = LEGACY_VERSIONS.find((known) => known === protocolVersion) ?? LEGACY_VERSIONS[0];
  return {
    protocolVersion: agreed,
    capabilities: CAPABILITIES,
    serverInfo: IDENTITY,
    instructions: tools.instructions,
  };
}

async function called(tools: ToolBox, id: RequestId, params: Json, signal: AbortSignal): Promise<ToolResult> {
  const { name, arguments: given = {} } = params;
  const result = typeof name === "string" ? tools.call(name, given, signal) : undefined;
  if (result === undefined) throw new ProtocolFailure(ErrorCode.invalidParams, "Unknown tool", { id });
  return await result;
}
