import { readdirSync, unlinkSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { describeImage } from "./describe.ts";
import { removeExclusively } from "./hold.ts";
import { layerPaths } from "./layer-files.ts";

/**
 * Removes those of some layers that no image is made of; not while anybody adds, who may be about to use them. What
 * cannot be removed stays, until a prune: this is called when something else went wrong already.
 */
export function dropUnused(directory: string, diffIds: readonly string[]): void {
  if (diffIds.length === 0) return;
  try {
    removeExclusively(directory, () => {
      const used = layersInUse(directory);
      for (const diffId of diffIds) {
        if (used.has(diffId)) continue;
        const { data, entries } = layerPaths(directory, diffId);
        // In this order: data without entries is not looked at.
        for (const path of [entries, data]) removeIfThere(path);
      }
    });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

function layersInUse(directory: string): Set<string> {
  const used = new Set<string>();
  for (const name of readdirSync(directory)) {
    const hex = /^([0-9a-f]{64})\.json$/.exec(name)?.[1];
    const stored = hex === undefined ? undefined : describeImage(directory, `sha256:${hex}`);
    for (const { diffId } of stored?.layers ?? []) used.add(diffId);
  }
  return used;
}

export function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
