/**
 * The cache of images, and which source gave which image. Looking is cheap to load; what adds is loaded by
 * `openStore`.
 */
import type { ImageStore } from "./store.ts";
import type { StoredImage } from "./stored-image.ts";

export type { ImageParts } from "./assemble.ts";
export {
  describeImage,
  describeImages,
  findImage,
  imageId,
} from "./describe.ts";
export { removeIfThere, removeLayer } from "./drop.ts";
export { claimImage, isLeased, leaseImage, removeExclusively } from "./hold.ts";
export { findLayer, layerPaths, type StoredLayer } from "./layer-files.ts";
export type { HeldLock } from "./lock.ts";
export { type ForeignImage, foreignImages } from "./other-versions.ts";
export { isInUse, machinesWith, pinImage, sweepImagePins, unpinImage } from "./pin.ts";
export {
  type Fingerprint,
  fileClock,
  fingerprintOf,
  isSettled,
  lookUpSource,
} from "./source-index.ts";
export type { Built, ImageStore } from "./store.ts";
export { imagePaths, type StoredImage } from "./stored-image.ts";

/** See `makeDurable` in durable.ts; costs nothing for an image that is known to be safe. */
export async function makeDurable(directory: string, stored: StoredImage): Promise<void> {
  if (stored.writtenInBoot === "") return;
  await (await import("./durable.ts")).makeDurable(directory, stored);
}

/** Opens the cache for adding to it, and makes it when it is missing. */
export async function openStore(cacheDir: string): Promise<ImageStore> {
  const { ImageStore: Store } = await import("./store.ts");
  return new Store(cacheDir);
}
