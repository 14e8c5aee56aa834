import { SmolError } from "../../../errors.ts";
// Not the folder's face, which loads what pulls images.
import { describeImage } from "../../../image/store/describe.ts";
import { leaseImage } from "../../../image/store/hold.ts";
import { readDisk } from "../../../image/store/read-disk.ts";
import type { StoredImage } from "../../../image/store/stored-image.ts";
import { depot as paths } from "../../root/index.ts";
import { type Depot, storageFailure, storageFull } from "./depot.ts";

const GIB = 1024 ** 3;

export interface CopyOptions {
  /** Told how much has been sent; nothing for an image that is there. */
  readonly onProgress: (done: number, total: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Sees to it that a machine has an image of the host's cache as a file, which its kernel can mount: the VM takes no
 * further disks while it runs. Under its name there is a whole image or none.
 *
 * @param directory of the cache's images
 * @param storageGib size of the storage disk
 * @returns its bytes
 * @throws SmolError `image.removed`, `image.layer_damaged`, `container.storage`, `container.storage_full`; the signal's
 * reason
 */
export async function copyImage(
  depot: Depot,
  directory: string,
  id: string,
  storageGib: number,
  options: CopyOptions,
): Promise<number> {
  const lease = leaseImage(directory, id);
  const image = lease && describeImage(directory, id);
  try {
    if (image === undefined) throw removed(id);
    const { sizeBytes } = image;
    if ((await depot.sizeOf(paths.image(id))) === sizeBytes) return sizeBytes;
    if (sizeBytes > storageGib * GIB) throw storageFull();
    // Something else under its name: whoever has it mounted keeps it.
    await depot.remove(paths.image(id));
    await send(depot, directory, image, options);
    return sizeBytes;
  } finally {
    lease?.release();
  }
}

async function send(
  depot: Depot,
  directory: string,
  image: StoredImage,
  { onProgress, signal }: CopyOptions,
): Promise<void> {
  const { id, sizeBytes } = image;
  async function* counted() {
    let done = 0;
    onProgress(0, sizeBytes);
    for await (const chunk of readDisk(directory, image)) {
      yield chunk;
      done += chunk.length;
      onProgress(done, sizeBytes);
    }
  }
  try {
    await depot.write(paths.incoming, counted(), signal);
    // The channel loses and changes nothing. A digest would take the guest a third of the time of the copy.
    if ((await depot.sizeOf(paths.incoming)) !== sizeBytes)
      throw storageFailure("the copy of an image is not what was sent");
    signal.throwIfAborted();
    await depot.rename(paths.incoming, paths.image(id));
  } catch (error) {
    // Why it failed says more than that the rest could not be removed; the next depot does that.
    await depot.remove(paths.incoming).catch(() => {});
    throw error;
  }
}

function removed(id: string): SmolError {
  return new SmolError("image.removed", `another process has removed the image ${id} from the cache`, {
    hint: "try again: that fetches it",
  });
}
