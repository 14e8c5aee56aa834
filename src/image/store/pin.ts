/**
 * Which machines need an image: those that run have a lease on it (hold.ts), those that last have a pin as well, which
 * keeps it while they do not run. `images/pins/<hex of the id>-…`, see src/host/pin.ts.
 */
import { existsSync } from "node:fs";
import { SmolError } from "../../errors.ts";
import { addPin, pinnedIds, pinsOf, removePin, sweepPins } from "../../host/index.ts";
import { claimImage, isLeased, leaseImage } from "./hold.ts";
import type { HeldLock } from "./lock.ts";
import { imagePaths } from "./stored-image.ts";

const pinsIn = (directory: string) => `${directory}/pins`;
const hexOf = (id: string) => id.replace(/^sha256:/, "");

/**
 * Pins an image for a machine that lasts.
 *
 * @param record absolute path of the machine's record. Once it is there and names the image, the pin counts; till then
 *   the lease does.
 * @returns a lease, to be released when the record is in its place
 * @throws SmolError `image.removed` when the image is not in the cache
 */
export async function pinImage(directory: string, id: string, record: string): Promise<HeldLock> {
  const lease = leaseImage(directory, id, false);
  // Without its description its removal has begun.
  if (lease === undefined || !existsSync(imagePaths(directory, id).description)) {
    lease?.release();
    throw new SmolError("image.removed", `the image is not in the cache any more: ${id}`, {
      hint: "try again: it is fetched anew",
    });
  }
  try {
    await addPin(pinsIn(directory), hexOf(id), record);
    return lease;
  } catch (error) {
    lease.release();
    throw error;
  }
}

/** Takes a machine's pin off an image; not needed when its record goes. */
export function unpinImage(directory: string, id: string, record: string): void {
  removePin(pinsIn(directory), hexOf(id), record);
}

/** The names of the machines that have a pin on an image, whether they run or not. */
export function machinesWith(directory: string, id: string): string[] {
  return pinsOf(pinsIn(directory), hexOf(id)).live.map(({ machine }) => machine);
}

/** Whether a process uses an image right now, or a machine needs it at its next start. */
export function isInUse(directory: string, id: string): boolean {
  return machinesWith(directory, id).length > 0 || isLeased(directory, id);
}

/** Removes what is left of machines that are gone. */
export function sweepImagePins(directory: string): void {
  for (const hex of pinnedIds(pinsIn(directory))) {
    if (pinsOf(pinsIn(directory), hex).stale.length === 0) continue;
    // Leased: a pin may be waiting for its record.
    const claim = claimImage(directory, hex);
    if (claim === undefined) continue;
    try {
      sweepPins(pinsIn(directory), hex);
    } finally {
      claim.release();
    }
  }
}
