import { imageOf, pull as pullAsked } from "../../serve/routes/images.ts";
import type { Asked } from "../child.ts";
import { checked, pullParams } from "../params.ts";
import { pullProgress } from "../progress.ts";

/** Gets an image of a registry, and tells how far it is. */
export async function pull({ params, stream, signal, serving }: Asked): Promise<unknown> {
  const { image, platform: ociPlatform } = checked(pullParams, params);
  const tell = pullProgress((event) => stream.event(event));
  return imageOf(await pullAsked(serving, { image, ociPlatform }, signal, tell));
}
