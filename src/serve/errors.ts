/** From what went wrong to what a client is told: a status, a code of this API, and words. */
import { SmolError } from "../errors.ts";
import { codeOf, isPrivate } from "./reasons.ts";

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

/** What a client is told about anything that was thrown, less `hiddenWords`. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Refused) return { error: error.message, code: error.code };
  const known = error instanceof SmolError ? error : undefined;
  const code = known === undefined ? "INTERNAL_ERROR" : codeOf(known.code);
  const reason = known?.code;
  if (known === undefined || code === "INTERNAL_ERROR")
    return { error: `the server has failed: ${IN_LOG}`, code, reason };
  if (isPrivate(known.code))
    return { error: `what the machine is lent of the host cannot be used: ${IN_LOG}`, code, reason };
  return { error: known.message, code, reason, hint: known.hint };
}

const IN_LOG = "the server's log says how, under the x-trace-id of this answer";

/**
 * The words that only the log has, under the trace id of the answer, as they may name files of the host: of a failure of this
 * side, and of what its user lends to machines. Undefined: the client has them.
 */
export function hiddenWords(error: unknown): string | undefined {
  const { code, reason } = problemOf(error);
  if (code !== "INTERNAL_ERROR" && (reason === undefined || !isPrivate(reason))) return undefined;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** As an answer. @param error what the problem is about */
export function problemAnswer(problem: Problem, error: unknown): Response {
  const headers = error instanceof Refused ? error.headers : {};
  return Response.json(problem, { status: STATUS[problem.code], headers });
}
