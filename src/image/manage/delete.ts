import { unlinkSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { attempt } from "../make.ts";
import { sweepLeftovers } from "../newfile.ts";
import { claimImage, imagePaths, layerPaths, removeExclusively } from "../store/index.ts";
import { type Survey, type SurveyedImage, survey } from "./survey.ts";

/**
 * Removes an image with its references, unless a machine uses it. First the description: from then on the image is
 * not there any more, whatever happens next; a later prune finds what an interrupted removal left.
 *
 * @returns whether it is gone.
 */
export function deleteImage(directory: string, image: SurveyedImage): boolean {
  const claim = claimImage(directory, image.stored.id);
  if (claim === undefined) return false;
  try {
    const paths = imagePaths(directory, image.stored.id);
    const files = [paths.description, ...image.refs.map(({ path }) => path), paths.metadata, paths.disk];
    for (const path of files) remove(path);
    return true;
  } finally {
    claim.release();
  }
}

/**
 * Removes layers that belong to no image, and what was left behind. Not while anybody adds something: a layer without
 * an image may be part of a pull.
 *
 * @returns the number of layers, and the bytes on the disk; zero when somebody adds.
 */
export function deleteUnused(directory: string): { layers: number; bytes: number } {
  const removed = { layers: 0, bytes: 0 };
  removeExclusively(directory, () => {
    const now = survey(directory);
    for (const [diffId, layer] of now.layers) {
      if (layer.users > 0) continue;
      const { data, entries } = layerPaths(directory, diffId);
      remove(entries);
      remove(data);
      removed.layers++;
      removed.bytes += layer.bytes;
    }
    for (const path of now.strays) remove(path);
    for (const place of [directory, `${directory}/layers`, `${directory}/refs`]) sweep(place);
  });
  return removed;
}

/** The layers that nobody would need if these images were gone, and their bytes on the disk. */
export function wouldBeUnused(
  { layers, images }: Survey,
  gone: ReadonlySet<SurveyedImage>,
): { layers: number; bytes: number } {
  const needed = new Set(
    images
      .filter((image) => !gone.has(image))
      .flatMap(({ stored }) => stored.layers.map(({ diffId }) => diffId)),
  );
  const unused = [...layers].filter(([diffId]) => !needed.has(diffId));
  return { layers: unused.length, bytes: unused.reduce((sum, [, { bytes }]) => sum + bytes, 0) };
}

export function remove(path: string): void {
  attempt(() => {
    try {
      unlinkSync(path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  });
}

function sweep(directory: string): void {
  attempt(() => {
    try {
      sweepLeftovers(directory);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  });
}
