import { SmolError } from "../../errors.ts";
import type { Answer } from "./exchange.ts";
import { Transient } from "./failure.ts";
import { retryAfter } from "./retry-after.ts";
import type { Secrets } from "./secrets.ts";

/** Errors are a few hundred bytes; what is longer is a web page. */
const MAX_ERROR_BODY = 16 * 1024;
/** A registry that asks for a longer wait than this is not waited for. */
const MAX_WAIT_MS = 60_000;

/**
 * What a server says about its refusal, ready for a message: `: manifest unknown`; empty when it says nothing.
 * Reads or closes the body. Understands registries (OCI distribution specification, "Error codes"), token servers
 * (OAuth 2.0, and Docker's) and plain text.
 */
export async function saidReason(answer: Answer, secrets: Secrets): Promise<string> {
  const text = await firstBytes(answer);
  const said = secrets.clean(fromJson(text) ?? (isPlainText(answer) ? text : ""));
  return said === "" ? "" : `: ${said}`;
}

/**
 * An answer that says "not now": too many requests, or a failure of the server.
 *
 * @returns undefined for any other answer, whose body is then untouched.
 */
export async function notNow(
  answer: Answer,
  secrets: Secrets,
  now = Date.now(),
): Promise<SmolError | Transient | undefined> {
  const { status, headers, url } = answer;
  if (status !== 408 && status !== 425 && status !== 429 && (status < 500 || status > 599)) return undefined;
  const wait = retryAfter(headers.get("retry-after"), now);
  const reason = await saidReason(answer, secrets);
  const limited = status === 429;
  const code = limited ? "registry.rate_limited" : "registry.unavailable";
  const what = limited
    ? `too many requests to ${url.host}${reason}`
    : `${url.host} fails with status ${status}${reason}`;
  if (wait !== undefined && wait > MAX_WAIT_MS) {
    return new SmolError(code, what, { hint: `it says to try again ${when(wait, now)}` });
  }
  const hint = limited ? "log in: most registries allow more requests to users that they know" : undefined;
  const error = new SmolError(code, what, { hint });
  // These say that the request itself cannot be served, however often it comes.
  if (status === 501 || status === 505) return error;
  return new Transient(error, { delayMs: wait });
}

function when(wait: number, now: number): string {
  if (wait > 365 * 24 * 3600 * 1000) return "much later";
  const time = new Date(now + wait).toISOString().slice(0, 16).replace("T", " ");
  return `in ${Math.ceil(wait / 60_000)} minutes, at ${time} UTC`;
}

async function firstBytes({ body }: Answer): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    while (size < MAX_ERROR_BODY) {
      const part = await body.read();
      if (part === undefined) break;
      parts.push(part);
      size += part.byteLength;
    }
  } catch (error) {
    // The status has said what matters; only the user's own signal is more than that.
    if (!(error instanceof Transient || error instanceof SmolError)) throw error;
  }
  await body.cancel();
  return Buffer.concat(parts).toString("utf8");
}

function fromJson(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return undefined;
    const list = Array.isArray(value.errors) ? value.errors : [value];
    const said = list
      .slice(0, 4)
      .map(sentence)
      .filter((part) => part !== "");
    return said.join("; ");
  } catch {
    return undefined;
  }
}

function sentence(error: unknown): string {
  if (!isRecord(error)) return "";
  const words = [
    error.message,
    error.error_description,
    error.details,
    error.detail,
    error.error,
    error.code,
  ];
  return words.find((word): word is string => typeof word === "string" && word.trim() !== "") ?? "";
}

const isPlainText = ({ headers }: Answer) => (headers.get("content-type") ?? "").startsWith("text/plain");

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
