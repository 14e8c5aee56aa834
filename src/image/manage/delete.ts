import { readFileSync } from "node:fs";
import { namesIn } from "../../host/index.ts";
import { sweepLeftovers } from "../newfile.ts";
import { listRefs, type RefFile, readRef } from "../refs/index.ts";
import {
  claimImage,
  imagePaths,
  machinesWith,
  removeExclusively,
  removeIfThere,
  removeLayer,
  sweepImagePins,
} from "../store/index.ts";
import { type Survey, type SurveyedImage, survey } from "./survey.ts";

/**
 * Removes an image with its references, unless a process uses it or a machine needs it. First the description: from then on the image is
 * not there any more, whatever happens next; a later prune finds what an interrupted removal left.
 *
 * @param maySpare looks at the references that lead to the image now, and says whether it is to stay after all.
 * @returns whether it is gone.
 */
export function deleteImage(
  directory: string,
  image: SurveyedImage,
  maySpare: (refs: readonly RefFile[]) => boolean = () => false,
): boolean {
  const { id } = image.stored;
  const claim = claimImage(directory, id);
  if (claim === undefined) return false;
  try {
    if (machinesWith(directory, id).length > 0) return false;
    // Looked up again: a pull may have let them lead to another image since.
    const refs = listRefs(directory).filter(({ ref }) => ref.imageId === id);
    if (maySpare(refs)) return false;
    const paths = imagePaths(directory, id);
    for (const path of [paths.description, ...refs.map((each) => each.path), paths.metadata, paths.disk]) {
      removeIfThere(path);
    }
    return true;
  } finally {
    claim.release();
  }
}

/** Takes a reference off, if it still leads to the image. */
export function deleteRef({ path, ref }: RefFile): void {
  if (readRef(path)?.imageId === ref.imageId) removeIfThere(path);
}

export interface Unused {
  readonly layers: number;
  /** Bytes on the disk. */
  readonly bytes: number;
  /** Nothing was removed, because somebody adds: a layer without an image may be part of a pull. */
  readonly kept: boolean;
}

/** Removes layers that belong to no image, and what was left behind. */
export function deleteUnused(directory: string): Unused {
  const removed = { layers: 0, bytes: 0 };
  const done = removeExclusively(directory, () => {
    const now = survey(directory);
    for (const [diffId, layer] of now.layers) {
      if (layer.users > 0) continue;
      removeLayer(directory, diffId);
      removed.layers++;
      removed.bytes += layer.bytes;
    }
    for (const path of [...now.strays, ...deadEnds(now)]) removeIfThere(path);
    sweepImagePins(directory);
    for (const place of [directory, `${directory}/layers`, `${directory}/refs`, `${directory}/sources`]) {
      if (namesIn(place).length > 0) sweepLeftovers(place);
    }
  });
  return { ...removed, kept: !done };
}

/** The layers that nobody would need if these images were gone, and their bytes on the disk. */
export function wouldBeUnused(
  { layers, images, foreign }: Survey,
  gone: ReadonlySet<SurveyedImage>,
): Pick<Unused, "layers" | "bytes"> {
  const left = images.filter((image) => !gone.has(image));
  const needed = new Set([
    ...left.flatMap(({ stored }) => stored.layers.map(({ diffId }) => diffId)),
    ...foreign.flatMap(({ diffIds }) => diffIds),
  ]);
  const unused = [...layers].filter(([diffId]) => !needed.has(diffId));
  return { layers: unused.length, bytes: unused.reduce((sum, [, { bytes }]) => sum + bytes, 0) };
}

/** References and local archives whose image is gone. */
function deadEnds({ directory, images, foreign }: Survey): string[] {
  const known = new Set([...images.map(({ stored }) => stored.id), ...foreign.map(({ id }) => id)]);
  const refs = listRefs(directory).filter(({ ref }) => !known.has(ref.imageId));
  const sources = namesIn(`${directory}/sources`)
    .filter((name) => /^[0-9a-f]{16}$/.test(name))
    .map((name) => `${directory}/sources/${name}`)
    .filter((path) => !known.has(readFileSync(path, "utf8").split("\n")[1] ?? ""));
  return [...refs.map(({ path }) => path), ...sources];
}
