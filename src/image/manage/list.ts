import { platformName } from "../platform.ts";
import { isLeased, machinesWith } from "../store/index.ts";
import type { ImageSummary } from "../types.ts";
import { imageNamed, type NameOptions } from "./names.ts";
import { type Survey, type SurveyedImage, survey, uniqueBytes } from "./survey.ts";

/** The images in a cache, the last used one first. Changes nothing, also when there is no cache yet. */
export function listImages(directory: string): ImageSummary[] {
  const all = survey(directory);
  const newestFirst = all.images.toSorted((a, b) => b.lastUsedMs - a.lastUsedMs);
  return newestFirst.map((image) => summarize(image, all));
}

/**
 * One image.
 *
 * @param name see `imageNamed`.
 * @throws SmolError `image.not_found`, `image.ambiguous_name`
 */
export function inspectImage(directory: string, name: string, options: NameOptions = {}): ImageSummary {
  const all = survey(directory);
  return summarize(imageNamed(all, name, options).image, all);
}

function summarize(image: SurveyedImage, all: Survey): ImageSummary {
  const { stored, refs } = image;
  const layers = stored.layers.map(({ diffId }) => ({ diffId, bytes: all.layers.get(diffId)?.bytes ?? 0 }));
  const machines = machinesWith(all.directory, stored.id);
  const shared = new Map(layers.map(({ diffId, bytes }) => [diffId, bytes]));
  return {
    id: stored.id,
    references: [...new Set(refs.map(({ ref }) => ref.familiar))].sort(),
    digests: [...new Set(refs.map(({ ref }) => ref.digest))].sort(),
    platform: platformName(stored.platform),
    createdAt: stored.createdAt,
    lastUsedAt: Math.floor(image.lastUsedMs / 1000),
    sizeBytes: image.ownBytes + [...shared.values()].reduce((sum, bytes) => sum + bytes, 0),
    uniqueBytes: uniqueBytes(image, all),
    layers,
    inUse: machines.length > 0 || isLeased(all.directory, stored.id),
    machines,
    config: stored.config,
  };
}
