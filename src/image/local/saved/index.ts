import { limits } from "../../limits.ts";
import type { Platform } from "../../types.ts";
import { type ImageFiles, readDocument } from "../files.ts";
import { isSkopeoDirectory, readSkopeoDirectory } from "./skopeo-directory.ts";
import type { SavedImage } from "./types.ts";

export type { SavedImage, SavedLayer } from "./types.ts";

/** What a user asks for. */
export interface Wanted {
  readonly platform: Platform;
  /** One of several images, by its tag or reference. */
  readonly name: string | undefined;
}

/** Whether these are the files of a saved image: an OCI layout, what `docker save` writes, or skopeo's directory. */
export function isSavedImage(files: ImageFiles): boolean {
  return files.has("manifest.json") || (files.has("index.json") && files.has("oci-layout"));
}

/**
 * Reads the documents of a saved image. New versions of `docker save` write both formats into one archive; the older
 * one is taken then, because it names just the images whose layers are really there.
 *
 * @throws SmolError `image.*` for anything that is not an image for the platform, and unless it is exactly one.
 */
export async function readSavedImage(files: ImageFiles, wanted: Wanted): Promise<SavedImage> {
  if (!files.has("manifest.json")) {
    return await (await import("./oci-layout.ts")).readLayout(files, wanted);
  }
  const { text } = await readDocument(files, "manifest.json", limits.manifestBytes);
  if (await isSkopeoDirectory(files)) return await readSkopeoDirectory(files, text, wanted);
  return await (await import("./docker-archive.ts")).readDockerArchive(files, text, wanted);
}
