/** Which of the two generations of the protocol a request belongs to: each request is looked at by itself. */
import { ErrorCode, type Json, MODERN_VERSION, ProtocolFailure, type RequestId } from "./messages.ts";

export type Era = "modern" | "legacy";

const META = "io.modelcontextprotocol";
const VERSION_KEY = `${META}/protocolVersion`;
const CAPABILITIES_KEY = `${META}/clientCapabilities`;
export const SERVER_KEY = `${META}/serverInfo`;

/** The version that a request says it has; undefined: it is of the generation that does not say so. */
export function statedVersion({ _meta: meta }: Json): unknown {
  return typeof meta === "object" && meta !== null ? (meta as Json)[VERSION_KEY] : undefined;
}

/**
 * Modern requests carry their version in `_meta` (basic, "Per-request protocol fields"); all others are served as the
 * revisions with a handshake have it, whether there was one or not: some clients send `initialize` after a successful
 * `server/discover`.
 *
 * @throws ProtocolFailure for a modern request that lacks something, or has another version
 */
export function eraOf(params: Json, id: RequestId): Era {
  const requested = statedVersion(params);
  if (requested === undefined) return "legacy";
  if (requested !== MODERN_VERSION) throw unsupportedVersion(requested, id);
  const capabilities = (params._meta as Json)[CAPABILITIES_KEY];
  if (typeof capabilities !== "object" || capabilities === null)
    throw new ProtocolFailure(ErrorCode.invalidParams, `_meta lacks ${CAPABILITIES_KEY}`, { id });
  return "modern";
}

export const unsupportedVersion = (requested: unknown, id?: RequestId) =>
  new ProtocolFailure(ErrorCode.unsupportedVersion, "Unsupported protocol version", {
    id,
    data: { supported: [MODERN_VERSION], requested: String(requested).slice(0, 100) },
  });
