/** Pushes to one repository: to the registry itself, never to a mirror. */
import { SmolError } from "../../errors.ts";
import { digestLike, isDigest, shortDigest } from "../digest.ts";
import { endpointsOf, Patience, Session } from "../session/index.ts";
import type {
  BlobSource,
  PushBlobOptions,
  Pusher,
  PushOutcome,
  Reference,
  RegistryOptions,
} from "../types.ts";
import { putManifest } from "./manifest.ts";
import { hasBlob, mountBlob, Upload } from "./upload.ts";

const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

export function createPusher(reference: Reference, options: RegistryOptions): Pusher {
  const origin = endpointsOf(reference, options).find(({ isMirror }) => !isMirror);
  if (origin === undefined) {
    throw new SmolError("registry.unreachable", `no server for ${reference.canonical}`);
  }
  const session = new Session(origin, reference.repository, options, "push");

  async function blob(
    source: BlobSource,
    { signal: own, mountFrom = [], onProgress }: PushBlobOptions = {},
  ): Promise<PushOutcome> {
    const { digest, size } = source;
    if (!isDigest(digest) || !Number.isSafeInteger(size) || size < 0) {
      throw new TypeError(`a blob without a digest or size: ${digest}, ${size}`);
    }
    const signals = [own, options.signal].filter((signal) => signal !== undefined);
    const signal = signals.length < 2 ? signals[0] : AbortSignal.any(signals);
    const patience = new Patience(`layer ${shortDigest(digest)}`, session, options);
    if (await patience.run(() => hasBlob(session, digest, size, signal), signal)) return "present";
    let begun: URL | undefined;
    for (const from of mountFrom) {
      const answer = await patience.run(() => mountBlob(session, digest, from, signal), signal);
      if (answer === "mounted") return "mounted";
      // What could not be mounted has begun an upload all the same.
      begun = answer;
    }
    await new Upload(session, source, patience, { signal, onProgress }).run(begun);
    return "uploaded";
  }

  async function manifest(tagOrDigest: string, bytes: Uint8Array, mediaType: string): Promise<string> {
    if (!isDigest(tagOrDigest) && !tagPattern.test(tagOrDigest)) {
      throw new SmolError("registry.bad_reference", "a manifest is pushed by neither a tag nor a digest");
    }
    const { signal } = options;
    const digest = digestLike(isDigest(tagOrDigest) ? tagOrDigest : "sha256:", bytes);
    const patience = new Patience(`manifest ${tagOrDigest}`, session, options);
    await patience.run(() => putManifest(session, tagOrDigest, { bytes, mediaType, digest }, signal), signal);
    return digest;
  }

  return { blob, manifest };
}
