/** What is in the cache of images, and how it gets out again. */
export { keepWithinLimit, makeRoom } from "./evict.ts";
export { inspectImage, listImages } from "./list.ts";
export type { NameOptions } from "./names.ts";
export { type PruneImagesOptions, pruneImages, removeImages } from "./remove.ts";
export { survey } from "./survey.ts";
