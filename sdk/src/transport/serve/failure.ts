/** From what a server answers, or does not, to what callers are told. */
import { errorOf, SmolvmError } from "../../errors.ts";

/** An answer that tells more is none of ours. */
const MAX_WORDS = 4096;

/** Codes of answers that no code of smolvm stands behind (docs/http-api.md), as codes of errors. */
const CODES: Readonly<Record<string, string>> = {
  UNAUTHORIZED: "sdk.unauthorized",
  TIMEOUT: "sdk.timeout",
  UNAVAILABLE: "sdk.unavailable",
  INTERNAL_ERROR: "sdk.server_failed",
};

/** Of a Problem: in an answer, in an event, in a message. @param status of the answer */
export function failureOf(problem: unknown, status?: number): SmolvmError {
  const { error, message, code, reason, hint } = (
    typeof problem === "object" && problem !== null ? problem : {}
  ) as Record<string, unknown>;
  const words = typeof error === "string" ? error : message;
  if (typeof words !== "string")
    return errorOf({
      code: "sdk.no_server",
      message: `no smolvm answers there: the status is ${status ?? "unknown"}`,
    });
  const known = typeof code === "string" && Object.hasOwn(CODES, code) ? CODES[code] : undefined;
  return errorOf({
    code: typeof reason === "string" ? reason : (known ?? "sdk.bad_request"),
    message: words.slice(0, MAX_WORDS),
    hint: typeof hint === "string" ? hint.slice(0, MAX_WORDS) : undefined,
  });
}

/** What went wrong on the way. */
export function connectionFailure(cause: unknown, place: string): SmolvmError {
  if (cause instanceof SmolvmError) return cause;
  const words = cause instanceof Error ? cause.message : String(cause);
  return errorOf({
    code: "sdk.unreachable",
    message: `the server at ${place} cannot be reached: ${words}`,
    cause,
  });
}

/** What the HTTP API has not. */
export const unsupported = (what: string): SmolvmError =>
  errorOf({
    code: "sdk.unsupported",
    message: `${what}: a server does not do that for its clients`,
    hint: "use a client without `url`, on the host that the machines run on",
  });
