/**
 * Images: from archives, layouts and directories to bootable EROFS files, and the cache that keeps them.
 *
 * Everything heavy is loaded when it is needed: opening an image that is in the cache costs a few milliseconds.
 */
import type { Settings } from "../config/index.ts";
import type { NameOptions, PruneImagesOptions } from "./manage/index.ts";
import { hostPlatform } from "./platform.ts";
import { isImageId, isLocalImage } from "./source-kind.ts";
import type { ImageSummary, OpenImageOptions, PullOptions, RemovedImages } from "./types.ts";
import type { WriteErofsOptions, WrittenErofs } from "./write.ts";

export { openLocalImage } from "./open.ts";
export { type OpenAnyImageOptions, openImage } from "./open-image.ts";
export { pullEventJson } from "./pull-event.ts";
export type {
  BootableImage,
  ImageConfig,
  ImageProgress,
  ImageSummary,
  OpenImageOptions,
  Platform,
  PullOptions,
  PullPolicy,
  PullProgress,
  RemovedImages,
} from "./types.ts";
export type { WriteErofsOptions, WrittenErofs };

/**
 * Turns archives (plain, gzip or zstd), applied one over the other, into an EROFS image at `path`, which appears in
 * full or not at all, and replaces a file that is there. The same archives give the same bytes.
 *
 * @throws SmolError when an archive is damaged or beyond the limits, or the image cannot be written.
 */
export async function writeErofsFromTar(
  layers: readonly AsyncIterable<Uint8Array>[],
  path: string,
  options: WriteErofsOptions = {},
): Promise<WrittenErofs> {
  const module = await import("./write.ts");
  return await module.writeErofsFromTar(layers, path, options);
}

/** What a pull brought. */
export interface PulledImage {
  readonly id: string;
  /** Digest of what the reference names in the registry: an index or a manifest. */
  readonly digest: string;
  /** As users write it. */
  readonly reference: string;
  readonly sizeBytes: number;
  /** Whether the reference led somewhere else before, or nowhere. */
  readonly changed: boolean;
}

/**
 * Makes the cache's image of a reference the one that the registry has now.
 *
 * @throws SmolError `registry.*`, `image.*`
 */
export async function pullImage(
  name: string,
  options: OpenImageOptions & PullOptions & { readonly settings: Settings },
): Promise<PulledImage> {
  const [{ parseReference }, { pull }] = await Promise.all([
    import("../registry/index.ts"),
    import("./pull/index.ts"),
  ]);
  const reference = parseReference(name, { registry: options.settings.images.defaultRegistry });
  const platform = options.platform ?? hostPlatform();
  const pulled = await pull({ ...options, policy: options.policy ?? "always", reference, platform });
  // Until it is safe from a power cut, the image would be pulled again after one.
  await pulled.durable;
  const { id, sizeBytes } = pulled.stored;
  return { id, digest: pulled.digest, reference: reference.familiar, sizeBytes, changed: pulled.changed };
}

/** The images in a cache, the last used one first. Changes nothing. @param cacheDir `Paths.cache` */
export async function listImages(cacheDir: string): Promise<ImageSummary[]> {
  return await managing(cacheDir, (manage, directory) => manage.listImages(directory));
}

/** Bytes on the disk of everything in a cache. Changes nothing. */
export async function usedBytes(cacheDir: string): Promise<number> {
  return await managing(cacheDir, (manage, directory) => manage.survey(directory).totalBytes);
}

/**
 * One image of the cache.
 *
 * @param name a reference, an id or its first digits (at least 6), or the digest of a manifest.
 * @throws SmolError `image.not_found`, `image.ambiguous_name`
 */
export async function inspectImage(
  cacheDir: string,
  name: string,
  options: NameOptions = {},
): Promise<ImageSummary> {
  return await managing(cacheDir, (manage, directory) => manage.inspectImage(directory, name, options));
}

/**
 * Digest of what an image's name led to in its registry, of an index or a manifest, as the cache knows it. Other names
 * of the same image do not matter.
 *
 * @returns undefined for names that are no reference of a registry: files, ids, what was made here
 */
export async function digestOfName(
  cacheDir: string,
  name: string,
  { platform = hostPlatform(), registry }: NameOptions = {},
): Promise<string | undefined> {
  if (isLocalImage(name) || isImageId(name)) return undefined;
  const [{ parseReference }, { registryDigest }] = await Promise.all([
    import("../registry/index.ts"),
    import("./refs/index.ts"),
  ]);
  return registryDigest(`${cacheDir}/images`, parseReference(name, { registry }), platform);
}

/** Takes references off and removes images with their last one; see manage/remove.ts. */
export async function removeImages(
  cacheDir: string,
  names: readonly string[],
  options: NameOptions & { readonly force?: boolean } = {},
): Promise<RemovedImages> {
  return await managing(cacheDir, (manage, directory) => manage.removeImages(directory, names, options));
}

/** Removes what nobody needs; see manage/remove.ts. */
export async function pruneImages(cacheDir: string, options: PruneImagesOptions): Promise<RemovedImages> {
  return await managing(cacheDir, (manage, directory) => manage.pruneImages(directory, options));
}

/**
 * Keeps an image for a machine that lasts, also while it does not run: as long as the machine's record is there and
 * names the image, nothing removes it. Several machines may pin one image; once more does no harm.
 *
 * Until the record is in its place the image is kept by a lease, which the caller releases then:
 *
 *     const { release } = await pinImage(cacheDir, id, `${directory}/machine.json`);
 *     …write the record…
 *     release();
 *
 * @param cacheDir `Paths.cache`
 * @param recordPath absolute, and final
 * @throws SmolError `image.removed` when it is not in the cache, `image.cache_unusable`
 */
export async function pinImage(
  cacheDir: string,
  imageId: string,
  recordPath: string,
): Promise<{ readonly release: () => void }> {
  return await storing(cacheDir, (store, directory) => store.pinImage(directory, imageId, recordPath));
}

/** Takes a machine's pin off an image, say when it got another one. Needless when its record goes. */
export async function unpinImage(cacheDir: string, imageId: string, recordPath: string): Promise<void> {
  await storing(cacheDir, (store, directory) => store.unpinImage(directory, imageId, recordPath));
}

/** As `managing`, for what changes who needs an image. */
async function storing<Result>(
  cacheDir: string,
  action: (store: typeof import("./store/index.ts"), directory: string) => Result,
): Promise<Awaited<Result>> {
  const [store, { usingCache }] = await Promise.all([
    import("./store/index.ts"),
    import("./manage/usable.ts"),
  ]);
  const directory = `${cacheDir}/images`;
  try {
    return await action(store, directory);
  } catch (error) {
    return usingCache(directory, () => {
      throw error;
    });
  }
}

/** What the system refuses becomes an error for users. */
async function managing<Result>(
  cacheDir: string,
  action: (manage: typeof import("./manage/index.ts"), directory: string) => Result,
): Promise<Result> {
  const [manage, { usingCache }] = await Promise.all([
    import("./manage/index.ts"),
    import("./manage/usable.ts"),
  ]);
  const directory = `${cacheDir}/images`;
  return usingCache(directory, () => action(manage, directory));
}
