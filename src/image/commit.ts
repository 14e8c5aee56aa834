import { parseReference } from "../registry/index.ts";
import { configDocument, type ImageOrigin, parseConfig } from "./oci/index.ts";
import { writeRef } from "./refs/index.ts";
import { imageId, leaseImage, openStore } from "./store/index.ts";
import type { ImageConfig, Platform } from "./types.ts";

export interface CommitRequest {
  /** `Paths.cache`. */
  readonly cacheDir: string;
  /** What the image is called from now on; without one it has no name. */
  readonly reference: string | undefined;
  /** Where names without a registry are; default docker.io. */
  readonly defaultRegistry: string | undefined;
  readonly platform: Platform;
  /** Layers that are in the cache already, and stay there: the caller has a lease on their image. */
  readonly diffIds: readonly string[];
  /** Above them: archives, the lowest first. */
  readonly layers: readonly AsyncIterable<Uint8Array>[];
  readonly config: ImageConfig;
  readonly made: ImageOrigin;
  readonly signal?: AbortSignal | undefined;
}

export interface CommittedImage {
  readonly id: string;
  /** As users write it. */
  readonly reference: string | undefined;
  readonly sizeBytes: number;
  /** Until then nothing removes the image. */
  readonly release: () => void;
}

/**
 * Makes an image of layers of the cache and new ones above them, and keeps it. The same layers, configuration and words
 * give the same image.
 *
 * @throws SmolError `registry.bad_reference`, `image.*`; the signal's reason
 */
export async function commitImage(request: CommitRequest): Promise<CommittedImage> {
  const { cacheDir, reference: name, platform, made, signal } = request;
  const reference =
    name === undefined ? undefined : parseReference(name, { registry: request.defaultRegistry });
  const store = await openStore(cacheDir);
  const adding = await store.adding(signal);
  const fresh: string[] = [];
  let isKept = false;
  try {
    for (const layer of request.layers) fresh.push((await store.unpackLayer(layer, {}, { signal })).diffId);
    const diffIds = [...request.diffIds, ...fresh];
    const about = { platform, diffIds, made };
    // Read back, so that what a user said is checked as what a registry says; without the time, so that it is the same again.
    const { config } = parseConfig(configDocument(request.config, { ...about, createdAt: 0 }));
    const identity = JSON.stringify([config, made]);
    const digest = `sha256:${new Bun.CryptoHasher("sha256").update(identity).digest("hex")}`;
    const id = imageId(platform, diffIds, digest);
    const { stored, durable } = await store.assemble({ ...about, id, config, origin: "local", signal });
    const lease = leaseImage(store.directory, id, false);
    await durable;
    if (reference !== undefined) {
      const { canonical, familiar } = reference;
      writeRef(store.directory, platform, {
        canonical,
        familiar,
        digest: id,
        manifestDigest: id,
        imageId: id,
      });
    }
    isKept = true;
    const release = () => lease?.release();
    return { id, reference: reference?.familiar, sizeBytes: stored.sizeBytes, release };
  } finally {
    adding.release();
    if (!isKept) store.dropUnused(fresh);
  }
}
