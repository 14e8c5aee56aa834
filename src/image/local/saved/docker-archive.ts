import { SmolError } from "../../../errors.ts";
import { limits } from "../../limits.ts";
import { parseConfig, parseDocument, pickByName, savedSchema, several } from "../../oci/index.ts";
import { checkPlatform } from "../../platform.ts";
import { bytesOf } from "../../tree/index.ts";
import { type ImageFiles, readDocument } from "../files.ts";
import type { Wanted } from "./index.ts";
import { EXPORT_HINT, pair, type SavedImage } from "./types.ts";

/**
 * `docker save`: manifest.json names the configuration and the layers by path; the digests are in the
 * configuration.
 */
export async function readDockerArchive(
  files: ImageFiles,
  text: string,
  { platform: wanted, name }: Wanted,
): Promise<SavedImage> {
  const images = parseDocument(text, savedSchema, "manifest.json").map((image) => ({
    names: image.RepoTags?.length ? image.RepoTags : [image.Config],
    image,
  }));
  if (images.length === 0) throw new SmolError("image.bad_manifest", "manifest.json names no image");
  const picked = pickByName(images, name);
  const [first] = picked;
  // Some tools list an image once for each of its tags.
  const kinds = new Set(picked.map(({ image: { Config, Layers } }) => JSON.stringify([Config, Layers])));
  if (first === undefined || kinds.size > 1) throw several(picked);
  const { image } = first;
  const document = await readDocument(files, bytesOf(image.Config), limits.configBytes);
  // The file is named by its digest: `<hex>.json`, or `blobs/sha256/<hex>`.
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(image.Config)?.[1];
  if (named !== undefined && document.digest !== `sha256:${named}`) {
    throw new SmolError("image.digest_mismatch", "the image's configuration is not what its name promises");
  }
  const { config, diffIds, platform } = parseConfig(document.text);
  checkPlatform(platform, wanted, EXPORT_HINT);
  const layers = pair(image.Layers ?? [], diffIds).map(([path, diffId]) => ({ path: bytesOf(path), diffId }));
  return { config, configDigest: document.digest, layers };
}
