import { loadSettings, resolvePaths } from "../../../config/index.ts";
import type { ImageSummary } from "../../../image/index.ts";
import { listImages, usedBytes } from "../../../image/index.ts";
import { print, printJson } from "../../output.ts";
import type { machineImagesOptions } from "../../table/images.ts";
import type { Invocation } from "../../table/types.ts";
import { machineNamed } from "./machine.ts";
import { formatStorage, storageJson, storageOf } from "./storage.ts";

/** `machine images`: the same images for all machines, or those of one machine. */
export async function run({ values }: Invocation<typeof machineImagesOptions>): Promise<number> {
  const paths = resolvePaths();
  const { cache } = await loadSettings(paths);
  const all = await listImages(paths.cache);
  const shown = values.name === undefined ? all : await imagesOf(values.name, all);
  const storage = storageOf(all, await usedBytes(paths.cache), cache.maxBytes);
  if (values.json) await printJson(storageJson(storage, shown));
  else await print(formatStorage(storage, shown));
  return 0;
}

/** The image of a machine: none when that is the built-in one. */
async function imagesOf(name: string, all: readonly ImageSummary[]): Promise<ImageSummary[]> {
  const { image_id } = await machineNamed(name);
  return all.filter(({ id }) => id === image_id);
}
