/** The cache of images, and which source gave which image. */
import type { ImageStore } from "./store.ts";

export { FORMAT_VERSION, findImage, imagePaths, type StoredImage } from "./entry.ts";
export {
  type Fingerprint,
  fileClock,
  fingerprintOf,
  isSettled,
  lookUpSource,
} from "./source-index.ts";
export type { Built, ImageStore } from "./store.ts";

/** Opens the cache for writing, and makes it when it is missing. */
export async function openStore(cacheDir: string): Promise<ImageStore> {
  const { ImageStore: Store } = await import("./store.ts");
  return new Store(cacheDir);
}
