import {
  describeImage,
  type HeldLock,
  imagePaths,
  leaseImage,
  makeDurable,
  type StoredImage,
} from "./store/index.ts";
import type { BootableImage } from "./types.ts";

/**
 * Holds an image of the cache, so that nothing removes it while it is used.
 *
 * @param durable when it is safe from a power cut; default: that is seen to, if it is not known to be.
 * @param lease when it is held already.
 * @returns undefined when it was removed in the meantime.
 */
export function bootable(
  directory: string,
  stored: StoredImage,
  cached: boolean,
  durable: Promise<void> = makeDurable(directory, stored),
  lease: HeldLock | undefined = leaseImage(directory, stored.id),
): BootableImage | undefined {
  if (lease === undefined) return undefined;
  // Its removal may have begun before, and then been interrupted.
  if (describeImage(directory, stored.id) === undefined) {
    lease.release();
    return undefined;
  }
  const { id, config, sizeBytes } = stored;
  const path = imagePaths(directory, id).disk;
  return { id, path, config, sizeBytes, cached, durable, release: () => lease.release() };
}
