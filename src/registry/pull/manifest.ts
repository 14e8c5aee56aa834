import { SmolError } from "../../errors.ts";
import { digestLike, isDigest } from "../digest.ts";
import { type Answer, contentLength, decodeDocument, encodedLimit, encodingOf } from "../http/index.ts";
import type { Session } from "../session/index.ts";
import { refusal } from "../session/index.ts";
import type { Manifest } from "../types.ts";
import { acceptedTypes, mediaTypeOf } from "./document.ts";

/**
 * Downloads a manifest or an index (OCI distribution specification, "Pulling manifests").
 *
 * @throws Transient, SmolError
 */
export async function fetchManifest(
  session: Session,
  tagOrDigest: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Manifest> {
  const answer = await ask(session, "GET", tagOrDigest, signal);
  const what = describe(session, tagOrDigest);
  if (answer.status !== 200) throw await refusal(answer, what, session);
  const where = `${what} at ${session.endpoint.registry}`;
  const encoding = encodingOf(answer.headers);
  const limit = encodedLimit(encoding, maxBytes);
  await checkLength(answer, where, limit);
  const sent = await answer.body.bytes(limit, where);
  const bytes = decodeDocument(sent, encoding, maxBytes, where);
  if (bytes.byteLength > maxBytes) throw tooLarge(where, maxBytes);
  const digest = checkDigest(bytes, tagOrDigest, answer, where);
  return { bytes, mediaType: mediaTypeOf(bytes, answer.headers.get("content-type"), where), digest };
}

/**
 * The digest that a registry says a tag stands for.
 *
 * @returns undefined when it does not say, or knows no HEAD: then only a download tells.
 * @throws Transient
 */
export async function headManifest(
  session: Session,
  tagOrDigest: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const answer = await ask(session, "HEAD", tagOrDigest, signal);
  await answer.body.cancel();
  const digest = answer.headers.get("docker-content-digest") ?? "";
  if (answer.status !== 200 || !isDigest(digest)) return undefined;
  if (isDigest(tagOrDigest) && digest !== tagOrDigest) return undefined;
  return digest;
}

const ask = (
  session: Session,
  method: "GET" | "HEAD",
  tagOrDigest: string,
  signal: AbortSignal | undefined,
) => session.send({ path: `manifests/${tagOrDigest}`, method, headers: { Accept: acceptedTypes }, signal });

/** What promises to be too much is not even begun. */
async function checkLength(answer: Answer, where: string, maxBytes: number): Promise<void> {
  if ((contentLength(answer.headers) ?? 0) <= maxBytes) return;
  await answer.body.cancel();
  throw tooLarge(where, maxBytes);
}

const tooLarge = (where: string, maxBytes: number) =>
  new SmolError("registry.too_large", `${where} is larger than ${maxBytes} bytes`);

/** @returns the digest that was asked for, else the one the registry names, else sha256: all of them checked. */
function checkDigest(bytes: Uint8Array, tagOrDigest: string, answer: Answer, where: string): string {
  const named = answer.headers.get("docker-content-digest") ?? "";
  for (const expected of [tagOrDigest, named]) {
    if (isDigest(expected) && digestLike(expected, bytes) !== expected) {
      throw new SmolError(
        "registry.digest_mismatch",
        `${where} is not what its digest promises: ${expected}`,
        {
          hint: "it was damaged or tampered with on the way, by the registry or by a proxy",
        },
      );
    }
  }
  return [tagOrDigest, named].find(isDigest) ?? digestLike("sha256", bytes);
}

/** `library/alpine:latest`, `library/alpine@sha256:…`. */
export function describe(session: Session, tagOrDigest: string): string {
  return `${session.repository}${tagOrDigest.includes(":") ? "@" : ":"}${tagOrDigest}`;
}
