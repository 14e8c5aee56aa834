import { gunzipSync } from "node:zlib";
import { SmolError } from "../../errors.ts";
import { printable } from "../printable.ts";

/** What gzip adds to bytes that it cannot make smaller, and a file's name and comment. */
const GZIP_OVERHEAD = 64 * 1024;

/**
 * How the body of an answer is encoded, in lower case; undefined when it is sent as it is (RFC 9110, 8.4). We always
 * ask for that; some servers, and things in between, compress all the same.
 */
export function encodingOf(headers: Headers): string | undefined {
  const encoding = (headers.get("content-encoding") ?? "").trim().toLowerCase();
  return encoding === "" || encoding === "identity" ? undefined : encoding;
}

/** Bytes that the encoded form of a document of at most `maxBytes` may have. */
export const encodedLimit = (encoding: string | undefined, maxBytes: number) =>
  encoding === undefined ? maxBytes : maxBytes + GZIP_OVERHEAD;

/**
 * Decodes a small document that was sent with a Content-Encoding. Storages repeat what they were told when it was
 * stored: what begins as JSON is taken for the document itself.
 *
 * @param where for messages.
 * @throws SmolError `registry.bad_answer` for other encodings and damage, `registry.too_large` beyond `maxBytes`.
 */
export function decodeDocument(
  bytes: Uint8Array,
  encoding: string | undefined,
  maxBytes: number,
  where: string,
): Uint8Array {
  if (encoding === undefined || isText(bytes)) return bytes;
  if (encoding !== "gzip" && encoding !== "x-gzip") throw unexpectedEncoding(where, encoding);
  try {
    return gunzipSync(bytes, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") {
      throw new SmolError("registry.too_large", `${where} is larger than ${maxBytes} bytes`);
    }
    throw new SmolError("registry.bad_answer", `${where} is sent compressed, and cannot be decompressed`);
  }
}

/** Whether bytes begin as JSON: with an object, or blanks before it. */
const isText = ([first = 0]: Uint8Array) => first === 0x7b || [0x09, 0x0a, 0x0d, 0x20].includes(first);

/** What is sent compressed, although it was asked for as it is, and cannot be made use of like that. */
export function unexpectedEncoding(where: string, encoding: string): SmolError {
  return new SmolError(
    "registry.bad_answer",
    `${where} is sent compressed (Content-Encoding: ${printable(encoding, 20)}), although it was asked for as it is`,
    { hint: "the registry, or a proxy in between, has to pass images on unchanged" },
  );
}
