/** Pulls from one repository: from its mirrors where they have what is wanted, else from the registry. */
import { SmolError } from "../../errors.ts";
import { isDigest, shortDigest } from "../digest.ts";
import { endpointsOf, Patience, Session } from "../session/index.ts";
import type {
  BlobDescriptor,
  BlobOptions,
  Manifest,
  Reference,
  RegistryOptions,
  Repository,
} from "../types.ts";
import { Download } from "./download.ts";
import { fetchManifest, headManifest } from "./manifest.ts";

/** A mirror that failed in one of these ways will not get better while one image is pulled. */
const fatal = new Set([
  "registry.unreachable",
  "registry.not_https",
  "registry.tls",
  "registry.stalled",
  "registry.unauthorized",
  "registry.rate_limited",
]);

const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

export function createRepository(reference: Reference, options: RegistryOptions): Repository {
  const sessions = endpointsOf(reference, options).map(
    (endpoint) => new Session(endpoint, reference.repository, options),
  );
  const hopeless = new Set<Session>();

  function usable(originOnly = false): Session[] {
    return sessions.filter((session) => !session.endpoint.isMirror || !(originOnly || hopeless.has(session)));
  }

  /** Whatever is wrong with a mirror, the registry is still there. */
  function passOver(session: Session, what: string, error: unknown, signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (!session.endpoint.isMirror) throw error;
    const known = error instanceof SmolError;
    if (known && fatal.has(error.code)) hopeless.add(session);
    const reason = known ? error.message : `the mirror ${session.endpoint.registry} failed`;
    options.onRetry?.({ what, attempt: 1, delayMs: 0, reason });
  }

  async function fromAny<T>(
    what: string,
    ask: (session: Session, patience: Patience) => Promise<T>,
  ): Promise<T> {
    const { signal } = options;
    for (const session of usable()) {
      try {
        return await ask(session, new Patience(what, session, options));
      } catch (error) {
        passOver(session, what, error, signal);
      }
    }
    throw new SmolError("registry.unreachable", `no server for ${reference.canonical}`);
  }

  async function manifest(tagOrDigest: string, maxBytes: number): Promise<Manifest> {
    checkName(tagOrDigest);
    return await fromAny(`manifest ${shown(tagOrDigest)}`, (session, patience) =>
      patience.run(() => fetchManifest(session, tagOrDigest, maxBytes, options.signal), options.signal),
    );
  }

  async function resolve(tagOrDigest: string, maxBytes: number): Promise<string> {
    checkName(tagOrDigest);
    return await fromAny(`manifest ${shown(tagOrDigest)}`, async (session, patience) => {
      const { signal } = options;
      const digest = await patience.run(() => headManifest(session, tagOrDigest, signal), signal);
      if (digest !== undefined) return digest;
      const found = await patience.run(() => fetchManifest(session, tagOrDigest, maxBytes, signal), signal);
      return found.digest;
    });
  }

  async function* blob(
    descriptor: BlobDescriptor,
    { signal: own, origin, document }: BlobOptions = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    checkDescriptor(descriptor);
    const signals = [own, options.signal].filter((signal) => signal !== undefined);
    const signal = signals.length < 2 ? signals[0] : AbortSignal.any(signals);
    const what = `layer ${shortDigest(descriptor.digest)}`;
    const download = new Download(descriptor, document);
    for (const session of usable(origin)) {
      try {
        yield* download.from(session, new Patience(what, session, options), signal);
        return;
      } catch (error) {
        passOver(session, what, error, signal);
      }
    }
  }

  return { manifest, resolve, blob };
}

const shown = (tagOrDigest: string) => (isDigest(tagOrDigest) ? shortDigest(tagOrDigest) : tagOrDigest);

/** Becomes a part of a URL. */
function checkName(tagOrDigest: string): void {
  if (isDigest(tagOrDigest) || tagPattern.test(tagOrDigest)) return;
  throw new SmolError("registry.bad_reference", "a manifest is asked for by neither a tag nor a digest");
}

function checkDescriptor({ digest, size }: BlobDescriptor): void {
  if (!isDigest(digest)) {
    throw new SmolError("registry.bad_answer", "a manifest names a blob by something that is not a digest");
  }
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new SmolError("registry.bad_answer", `a manifest gives ${shortDigest(digest)} a size that is none`);
  }
}
