import { SmolError } from "../../errors.ts";
// Not the folder's face, which loads what pulls images.
import { leaseImage } from "../../image/store/hold.ts";
import type { StartOrder } from "../plan/index.ts";
import type { Leases } from "./place.ts";

/**
 * Takes a lease on the machine's image: nothing removes it from the cache as long as this process lives.
 *
 * @throws SmolError `image.removed`
 */
export function leaseImageOf({ image, paths }: StartOrder): Leases {
  if (image.id === null) return { release: () => {} };
  const lease = leaseImage(`${paths.cache}/images`, image.id);
  if (lease !== undefined) return lease;
  throw new SmolError("image.removed", `another process has removed the image ${image.id} from the cache`, {
    hint: "start the machine again: that fetches it",
  });
}
