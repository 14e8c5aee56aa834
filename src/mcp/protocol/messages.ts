/** Messages of JSON-RPC 2.0 as MCP has them (basic, "Messages"): one object each, no batches. */

/** The revision without a handshake: each request says its version itself. */
export const MODERN_VERSION = "2026-07-28";

/** Revisions that begin with `initialize`, the latest first. */
export const LEGACY_VERSIONS = ["2025-11-25", "2025-06-18"] as const;

/** Error codes of JSON-RPC 2.0 (5.1), and of MCP (basic, "Error Codes"). */
export const ErrorCode = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
} as const;

export type Json = Readonly<Record<string, unknown>>;
export type RequestId = string | number;

export type Message =
  | { readonly kind: "request"; readonly id: RequestId; readonly method: string; readonly params: Json }
  | { readonly kind: "notification"; readonly method: string; readonly params: Json }
  /** What answers a request that this server never sends. */
  | { readonly kind: "response" };

/** What is wrong with a message, as its sender is told. */
export class ProtocolFailure extends Error {
  readonly code: number;
  readonly data: unknown;
  /** Of the request, where that could be read. */
  readonly id: RequestId | undefined;

  constructor(
    code: number,
    message: string,
    { id, data }: { id?: RequestId | undefined; data?: unknown } = {},
  ) {
    super(message);
    this.code = code;
    this.id = id;
    this.data = data;
  }
}

/** An id is held until its answer is sent; nobody needs a long one. */
const MAX_ID_LENGTH = 200;
const MAX_METHOD_LENGTH = 200;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isId = (value: unknown): value is RequestId =>
  (typeof value === "string" && value.length <= MAX_ID_LENGTH) || Number.isSafeInteger(value);

/** @throws ProtocolFailure `invalidRequest`, `invalidParams` */
export function checkMessage(value: unknown): Message {
  if (Array.isArray(value)) throw invalid("batches are not part of the protocol: one message each");
  if (!isObject(value) || value.jsonrpc !== "2.0") throw invalid("not a message of JSON-RPC 2.0");
  const { id, method, params = {} } = value;
  const known = isId(id) ? id : undefined;
  if (method === undefined && ("result" in value || "error" in value)) return { kind: "response" };
  if (typeof method !== "string" || method.length > MAX_METHOD_LENGTH)
    throw invalid("method must be a text of at most 200 characters", known);
  if ("id" in value && known === undefined)
    throw invalid(`id must be a whole number, or a text of at most ${MAX_ID_LENGTH} characters`);
  if (!isObject(params))
    throw new ProtocolFailure(ErrorCode.invalidParams, "params must be an object", { id: known });
  return known === undefined
    ? { kind: "notification", method, params }
    : { kind: "request", id: known, method, params };
}

const invalid = (message: string, id?: RequestId) =>
  new ProtocolFailure(ErrorCode.invalidRequest, message, { id });

/** The answer to what could not be answered. */
export function failureMessage({ code, message, id, data }: ProtocolFailure): Json {
  return { jsonrpc: "2.0", id, error: { code, message, data } };
}

export const resultMessage = (id: RequestId, result: Json): Json => ({ jsonrpc: "2.0", id, result });
