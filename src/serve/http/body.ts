/** Bodies in JSON, read as far as they may be long. */
import { Refused } from "../errors.ts";

/** A description of a machine takes some kilobytes; standard input of a command the rest. */
const MAX_JSON_BYTES = 2 * 1024 * 1024;

/** Depth at which nothing that is known stands; a parser that recurses has to stop somewhere. */
const MAX_DEPTH = 32;

/**
 * @param optional a request without a body is one with `{}`
 * @throws Refused `BAD_REQUEST`, `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`
 */
export async function jsonOf(request: Request, optional: boolean): Promise<unknown> {
  const bytes = await bytesOf(request);
  if (optional && bytes.length === 0) return {};
  // A page of another origin can send other types without asking first.
  if (!/^application\/json\s*(;|$)/i.test(request.headers.get("content-type") ?? ""))
    throw new Refused("UNSUPPORTED_MEDIA_TYPE", "the body must be JSON: Content-Type: application/json");
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Refused("BAD_REQUEST", "the body is not UTF-8");
  }
  try {
    return shallow(JSON.parse(text), 0);
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused("BAD_REQUEST", "the body is not JSON");
  }
}

async function bytesOf(request: Request): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  if (request.body === null) return Buffer.alloc(0);
  // What announces itself as too long is not waited for.
  if (Number(request.headers.get("content-length")) > MAX_JSON_BYTES) throw tooLong();
  for await (const part of request.body as unknown as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > MAX_JSON_BYTES) throw tooLong();
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const tooLong = () =>
  new Refused("PAYLOAD_TOO_LARGE", `the body must not have more than ${MAX_JSON_BYTES} bytes`);

function shallow(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth === MAX_DEPTH) throw new Refused("BAD_REQUEST", "the body is nested too deeply");
  for (const below of Object.values(value)) shallow(below, depth + 1);
  return value;
}
