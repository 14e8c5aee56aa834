import type { Settings } from "../../config/index.ts";
import { SmolError } from "../../errors.ts";
import { givenCredentials, openCredentials } from "../../registry/credentials/index.ts";
import {
  openRepository,
  type Reference,
  type RegistryOptions,
  type Repository,
} from "../../registry/index.ts";
import type { Totals } from "../layer/index.ts";
import { limits } from "../limits.ts";
import { makeRoom } from "../manage/evict.ts";
import { platformName } from "../platform.ts";
import { findKnownRef, findRef, writeRef } from "../refs/index.ts";
import { type Built, type ImageStore, imageId, openStore, type StoredImage } from "../store/index.ts";
import type { OpenImageOptions, Platform, PullOptions } from "../types.ts";
import { pullLayers } from "./layers.ts";
import { type RemoteImage, resolveRemote } from "./resolve.ts";
import { checkSpace } from "./space.ts";

/** How long another process may hold up a pull before the user is told. */
const PATIENCE_MS = 300;

export interface PullRequest extends OpenImageOptions, PullOptions {
  readonly reference: Reference;
  readonly platform: Platform;
  readonly settings: Settings;
}

export interface Pulled {
  readonly stored: StoredImage;
  /** Digest of what the reference names. */
  readonly digest: string;
  /** Whether the reference led somewhere else before, or nowhere. */
  readonly changed: boolean;
  readonly durable: Promise<void>;
}

/**
 * Makes the cache's image of a reference the one that the registry has now. Several processes that pull the same
 * reference do the work once.
 *
 * @param request with `policy` always, the registry is asked; with missing, only when the cache has no image.
 * @throws SmolError `registry.*`, `image.*`. Complete layers stay in the cache then, for the next attempt.
 */
export async function pull(request: PullRequest): Promise<Pulled> {
  const { reference, platform, cacheDir, signal, policy = "missing" } = request;
  const store = await openStore(cacheDir);
  const key = new Bun.CryptoHasher("sha256").update(`${reference.canonical}\0${platformName(platform)}`);
  // Another process may be pulling the same: better to say something than to stand there in silence.
  let hasWaited = false;
  const patience = setTimeout(() => {
    hasWaited = true;
    request.onPull?.({ kind: "resolving", reference: reference.familiar });
  }, PATIENCE_MS);
  const waiting = store.lock(`pull-${key.digest("hex").slice(0, 32)}`, signal);
  const lock = await waiting.finally(() => clearTimeout(patience));
  try {
    const known = findKnown(store, request);
    if (known !== undefined && (policy === "missing" || reference.digest !== undefined)) {
      // Asked for by digest, and there by a tag: from now on by both.
      if (hasWaited || policy === "always") finish(store, request, known, undefined);
      return known;
    }
    const pulled = await addTo(store, request, known);
    makeRoom(store.directory, request.settings.cache.maxBytes, pulled.stored.id);
    return pulled;
  } finally {
    lock.release();
  }
}

/** While something is added, nobody takes its layers for unused ones. */
async function addTo(store: ImageStore, request: PullRequest, known: Pulled | undefined): Promise<Pulled> {
  const adding = await store.adding(request.signal);
  try {
    return await pullFrom(openRepository(request.reference, registryOptions(request)), store, request, known);
  } finally {
    adding.release();
  }
}

function findKnown(store: ImageStore, { reference, platform }: PullRequest): Pulled | undefined {
  const ref = findKnownRef(store.directory, reference, platform);
  const stored = ref === undefined ? undefined : store.find(ref.imageId);
  // What a pack is, its registry says in another way.
  if (ref === undefined || stored === undefined || ref.pack !== undefined) return undefined;
  return { stored, digest: ref.digest, changed: false, durable: store.makeDurable(stored) };
}

function registryOptions(request: PullRequest): RegistryOptions {
  const { settings, signal, onPull, proxy, noProxy, reference } = request;
  const own = openCredentials(settings.images);
  return {
    settings: settings.images,
    credentials: request.credentials ? givenCredentials(reference.registry, request.credentials, own) : own,
    stallMs: settings.pull.stallSeconds * 1000,
    attempts: settings.pull.attempts,
    signal,
    proxy: { url: proxy, noProxy },
    onRetry: (event) => onPull?.({ kind: "retry", ...event }),
  };
}

async function pullFrom(
  repository: Repository,
  store: ImageStore,
  request: PullRequest,
  known: Pulled | undefined,
): Promise<Pulled> {
  const { reference, platform, onPull } = request;
  onPull?.({ kind: "resolving", reference: reference.familiar });
  const name = reference.digest ?? reference.tag ?? "latest";
  if (known !== undefined && (await repository.resolve(name, limits.manifestBytes)) === known.digest) {
    finish(store, request, known, undefined);
    return known;
  }
  const image = await resolveRemote(repository, name, platform);
  request.checkConfig?.(image.config);
  const id = imageId(platform, image.diffIds, image.configDigest);
  const stored = store.find(id);
  const built =
    stored === undefined
      ? await make(store, repository, request, image, id)
      : { stored, durable: store.makeDurable(stored) };
  const pulled = { ...built, digest: image.digest, changed: known?.stored.id !== id };
  finish(store, request, pulled, image);
  return pulled;
}

/** Downloads what is missing and puts the image together. A layer that turns out damaged is downloaded once more. */
async function make(
  store: ImageStore,
  repository: Repository,
  request: PullRequest,
  image: RemoteImage,
  id: string,
): Promise<Built> {
  const { platform, signal, onPull } = request;
  for (let attempt = 1; ; attempt++) {
    await pullMissing(store, repository, request, image);
    onPull?.({ kind: "merging" });
    try {
      return await store.assemble({ id, config: image.config, platform, diffIds: image.diffIds, signal });
    } catch (error) {
      const isDamaged = error instanceof SmolError && error.code === "image.layer_damaged";
      if (!isDamaged || attempt > 1) throw error;
      onPull?.({ kind: "retry", what: "merging", attempt, delayMs: 0, reason: error.message });
    }
  }
}

async function pullMissing(
  store: ImageStore,
  repository: Repository,
  request: PullRequest,
  image: RemoteImage,
): Promise<void> {
  const { reference, platform, settings, signal, onPull } = request;
  const layers = uniqueLayers(image);
  const there = new Map(layers.map(({ diffId }) => [diffId, store.findLayer(diffId)]));
  const missing = layers.filter(({ diffId }) => there.get(diffId) === undefined);
  onPull?.({
    kind: "resolved",
    reference: reference.familiar,
    digest: image.digest,
    platform: platformName(platform),
    layers: layers.map((layer) => ({
      digest: layer.digest,
      size: layer.size,
      present: !missing.includes(layer),
    })),
  });
  const maxBytes = request.maxImageBytes ?? limits.totalBytes;
  const totals: Totals = { entries: 0, bytes: 0, maxBytes };
  for (const present of there.values()) {
    totals.entries += present?.entries ?? 0;
    totals.bytes += present?.fileBytes ?? 0;
  }
  const bytes = missing.reduce((sum, { size }) => sum + size, 0);
  checkDownload(bytes, maxBytes);
  checkSpace(store.directory, bytes);
  await pullLayers(missing, {
    store,
    repository,
    parallel: settings.pull.parallelLayers,
    totals,
    signal,
    onPull,
  });
}

/** Compressed layers are no larger than what is in them, but for a few bytes. */
function checkDownload(bytes: number, maxBytes: number): void {
  if (bytes <= maxBytes) return;
  throw new SmolError("image.limit", `the image's layers have ${bytes} bytes; the limit is ${maxBytes}`, {
    hint: "--max-image-size sets another limit",
  });
}

function uniqueLayers(image: RemoteImage): RemoteImage["layers"] {
  return [...new Map(image.layers.map((layer) => [layer.diffId, layer])).values()];
}

function finish(
  store: ImageStore,
  request: PullRequest,
  pulled: Pulled,
  image: RemoteImage | undefined,
): void {
  const { reference, platform, onPull } = request;
  const { id } = pulled.stored;
  const old = findRef(store.directory, reference.canonical, platform);
  writeRef(store.directory, platform, {
    canonical: reference.canonical,
    familiar: reference.familiar,
    digest: pulled.digest,
    manifestDigest: image?.manifestDigest ?? old?.manifestDigest ?? pulled.digest,
    imageId: id,
  });
  onPull?.({
    kind: "done",
    reference: reference.familiar,
    digest: pulled.digest,
    id,
    changed: pulled.changed,
  });
}
