import { deleteImage, deleteUnused } from "./delete.ts";
import { survey } from "./survey.ts";

/**
 * Removes the images that were not used for the longest time, until the cache is within its limit. What a machine
 * uses stays, and so does the image that was just made: the limit may be passed by that much.
 *
 * @param maxBytes bytes on the disk.
 * @param keep id of an image that stays in any case.
 */
export function keepWithinLimit(directory: string, maxBytes: number, keep?: string): void {
  let all = survey(directory);
  if (all.totalBytes <= maxBytes) return;
  // What nobody needs goes first.
  deleteUnused(directory);
  all = survey(directory);
  let excess = all.totalBytes - maxBytes;
  const oldestFirst = all.images
    .filter(({ stored }) => stored.id !== keep)
    .sort((a, b) => a.lastUsedMs - b.lastUsedMs);
  for (const image of oldestFirst) {
    if (excess <= 0) return;
    if (!deleteImage(directory, image)) continue;
    // Layers that it shared with images that go later are counted when they go: all is looked at anew.
    deleteUnused(directory);
    all = survey(directory);
    excess = all.totalBytes - maxBytes;
  }
}
