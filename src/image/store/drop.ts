import { unlinkSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { describeImages } from "./describe.ts";
import { removeExclusively } from "./hold.ts";
import { layerPaths } from "./layer-files.ts";
import { foreignImages } from "./other-versions.ts";

/**
 * Removes those of the given layers that no image is made of. While another process adds to the cache it removes none,
 * because that process may be about to use them. What cannot be removed stays until a prune: this is called when
 * something else went wrong already.
 */
export function dropUnused(directory: string, diffIds: readonly string[]): void {
  if (diffIds.length === 0) return;
  try {
    removeExclusively(directory, () => {
      const used = layersInUse(directory);
      for (const diffId of diffIds) {
        if (!used.has(diffId)) removeLayer(directory, diffId);
      }
    });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

function layersInUse(directory: string): Set<string> {
  const own = describeImages(directory).flatMap(({ layers }) => layers.map(({ diffId }) => diffId));
  return new Set([...own, ...foreignImages(directory).flatMap(({ diffIds }) => diffIds)]);
}

/** In this order: data without entries is not looked at. */
export function removeLayer(directory: string, diffId: string): void {
  const { data, entries } = layerPaths(directory, diffId);
  for (const path of [entries, data]) removeIfThere(path);
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
