/** From what went wrong to what a client is told: a status, a code of this API, and words. */
import { SmolError } from "../errors.ts";

/** The codes of answers, each with the status that it comes with. */
export const STATUS = {
  BAD_REQUEST: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  TIMEOUT: 408,
  CONFLICT: 409,
  PORT_IN_USE: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INTERNAL_ERROR: 500,
  BAD_GATEWAY: 502,
  UNAVAILABLE: 503,
  NO_SPACE: 507,
} as const;

export type ProblemCode = keyof typeof STATUS;

/** What is wrong with a request, for its client. */
export class Refused extends Error {
  readonly code: ProblemCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ProblemCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.headers = headers;
  }
}

/** The body of every answer that is not a success. */
export interface Problem {
  /** For people. */
  readonly error: string;
  readonly code: ProblemCode;
  /** Which of smolvm's own errors it is (docs/errors.md). */
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
}

/** Codes of single errors; those of an area follow. */
const SINGLE: Readonly<Record<string, ProblemCode>> = {
  "copy.host_file": "INTERNAL_ERROR",
  "copy.killed": "INTERNAL_ERROR",
  "copy.limit": "PAYLOAD_TOO_LARGE",
  "copy.malformed": "INTERNAL_ERROR",
  "copy.no_space": "NO_SPACE",
  "copy.guest_full": "NO_SPACE",
  "image.no_space": "NO_SPACE",
  "image.in_use": "CONFLICT",
  "image.not_cached": "NOT_FOUND",
  "image.removed": "CONFLICT",
  "image.cache_unusable": "INTERNAL_ERROR",
  "image.write_failed": "INTERNAL_ERROR",
  "machine.exists": "CONFLICT",
  "machine.differs": "CONFLICT",
  "machine.running": "CONFLICT",
  "machine.not_running": "CONFLICT",
  "machine.stopped": "CONFLICT",
  "machine.failed": "CONFLICT",
  // Somebody else ended it, or its program did.
  "machine.lost": "CONFLICT",
  "machine.init_failed": "CONFLICT",
  "machine.no_disks": "CONFLICT",
  "machine.busy": "CONFLICT",
  "machine.stuck": "CONFLICT",
  "machine.ephemeral": "CONFLICT",
  "machine.newer": "CONFLICT",
  "machine.damaged": "CONFLICT",
  "machine.other_version": "CONFLICT",
  "machine.unsupported": "CONFLICT",
  "machine.no_health": "BAD_REQUEST",
  "machine.no_mount": "BAD_REQUEST",
  "machine.disk_shrink": "BAD_REQUEST",
  "machine.no_space": "NO_SPACE",
  "machine.wait_timeout": "TIMEOUT",
  "pack.no_space": "NO_SPACE",
  "disk.no_space": "NO_SPACE",
  "disk.damaged": "CONFLICT",
  "disk.unclean": "CONFLICT",
  "disk.no_limit": "CONFLICT",
  "assets.no_space": "NO_SPACE",
  "port.in_use": "PORT_IN_USE",
  "process.ended": "CONFLICT",
  "process.too_many": "CONFLICT",
  "container.too_many": "CONFLICT",
  "registry.unauthorized": "FORBIDDEN",
  "registry.denied": "FORBIDDEN",
  "registry.bad_answer": "BAD_GATEWAY",
  "registry.rate_limited": "UNAVAILABLE",
  "registry.unavailable": "UNAVAILABLE",
  // A command, not what the path names.
  "exec.not_found": "BAD_REQUEST",
  "run.timeout": "TIMEOUT",
  "run.no_command": "BAD_REQUEST",
  "run.other_architecture": "CONFLICT",
  "process.ambiguous": "BAD_REQUEST",
  "volume.in_use": "CONFLICT",
  "volume.not_removed": "INTERNAL_ERROR",
  "workspace.has_changes": "CONFLICT",
  "workspace.busy": "CONFLICT",
  "workspace.none": "CONFLICT",
  "workspace.patch_limit": "PAYLOAD_TOO_LARGE",
  "protocol.too_large": "PAYLOAD_TOO_LARGE",
  // A machine that this host's engine cannot build as it is described.
  "engine.bad_spec": "CONFLICT",
  "engine.bad_qemu": "INTERNAL_ERROR",
  "engine.no_memory": "CONFLICT",
  "engine.no_shares": "CONFLICT",
  "engine.too_many_devices": "CONFLICT",
  "engine.unavailable": "UNAVAILABLE",
  "engine.requested_unavailable": "UNAVAILABLE",
};

/** What a client can have caused by what it asked for. */
const CLIENTS_AREAS = new Set([
  "copy",
  "exec",
  "image",
  "network",
  "pack",
  "port",
  "volume",
  "workspace",
  "container",
]);

function codeOf(reason: string): ProblemCode {
  const single = Object.hasOwn(SINGLE, reason) ? SINGLE[reason] : undefined;
  if (single !== undefined) return single;
  const [area = "", what = ""] = reason.split(".");
  if (what === "not_found") return "NOT_FOUND";
  if (what.startsWith("bad_")) return "BAD_REQUEST";
  if (area === "registry") return "BAD_GATEWAY";
  return CLIENTS_AREAS.has(area) ? "BAD_REQUEST" : "INTERNAL_ERROR";
}

/**
 * What a client is told about anything that was thrown. The words of what is a failure of this side may have paths of the
 * host in them: only the log has them, under the trace id of the answer.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof Refused) return { error: error.message, code: error.code };
  const known = error instanceof SmolError ? error : undefined;
  const code = known === undefined ? "INTERNAL_ERROR" : codeOf(known.code);
  const reason = known?.code;
  if (known === undefined || code === "INTERNAL_ERROR") return { error: INTERNAL, code, reason };
  return { error: known.message, code, reason, hint: known.hint };
}

const INTERNAL = "the server has failed: its log says how, under the x-trace-id of this answer";

/** What the log is told about a failure of this side; undefined: it is none. */
export function bugWords(error: unknown): string | undefined {
  if (problemOf(error).code !== "INTERNAL_ERROR") return undefined;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** As an answer. @param error what the problem is about */
export function problemAnswer(problem: Problem, error: unknown): Response {
  const headers = error instanceof Refused ? error.headers : {};
  return Response.json(problem, { status: STATUS[problem.code], headers });
}
