import { errnoOf } from "../../errors.ts";
import { deleteImage, deleteUnused, wouldBeUnused } from "./delete.ts";
import { type SurveyedImage, survey } from "./survey.ts";

/** As `keepWithinLimit`, when something has just been added: that old images cannot go is for a prune to say. */
export function makeRoom(directory: string, maxBytes: number, keep: string): void {
  try {
    keepWithinLimit(directory, maxBytes, keep);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

/**
 * Removes the images that were not used for the longest time, until the cache is within its limit. What a machine
 * uses stays, and so does the image that was just made: the limit may be passed by that much.
 *
 * @param maxBytes bytes on the disk.
 * @param keep id of an image that stays in any case.
 */
export function keepWithinLimit(directory: string, maxBytes: number, keep?: string): void {
  const all = survey(directory);
  if (all.totalBytes <= maxBytes) return;
  const gone = new Set<SurveyedImage>();
  // Counted, not looked at again: while somebody adds, layers without an image stay for the time being.
  const left = () => {
    const own = [...gone].reduce((sum, { ownBytes }) => sum + ownBytes, 0);
    return all.totalBytes - own - wouldBeUnused(all, gone).bytes;
  };
  const oldestFirst = all.images
    .filter(({ stored }) => stored.id !== keep)
    .sort((a, b) => a.lastUsedMs - b.lastUsedMs);
  for (const image of oldestFirst) {
    if (left() <= maxBytes) break;
    if (deleteImage(directory, image)) gone.add(image);
  }
  deleteUnused(directory);
}
