// Not the folders' faces, which load what makes images and unpacks assets.
import { leaseAssets } from "../../assets/lease.ts";
import { SmolError } from "../../errors.ts";
import { leaseImage } from "../../image/store/hold.ts";
import type { StartOrder } from "../plan/index.ts";
import type { Leases } from "./place.ts";

/**
 * Takes leases on everything that the machine is made of, of which it may boot again: nothing removes it as long as
 * this process lives, neither a prune of images nor another version of the program.
 *
 * @throws SmolError `image.removed`, `assets.removed`
 */
export function leaseFilesOf({ image, files, paths }: StartOrder): Leases {
  const held: Leases[] = [];
  const release = () => {
    for (const lease of held.splice(0)) lease.release();
  };
  const hint = "start the machine again: that fetches it";
  try {
    if (image.id !== null) {
      const lease = leaseImage(`${paths.cache}/images`, image.id);
      if (lease === undefined)
        throw new SmolError(
          "image.removed",
          `another process has removed the image ${image.id} from the cache`,
          {
            hint,
          },
        );
      held.push(lease);
    }
    const { kernel, libkrun, launcher, krun, threads, memory, system, overlayTemplate, storageTemplate } =
      files;
    const programs = [libkrun, launcher, krun, threads, memory].filter((path) => path !== undefined);
    const assets = [kernel, system, overlayTemplate, storageTemplate, ...programs];
    const lease = leaseAssets(image.id === null ? [...assets, files.image.path] : assets);
    if (lease === undefined)
      throw new SmolError("assets.removed", "another process has removed what smolvm had unpacked", { hint });
    held.push(lease);
    return { release };
  } catch (error) {
    release();
    throw error;
  }
}
