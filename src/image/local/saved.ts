import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import {
  type Descriptor,
  parseConfig,
  parseDocument,
  parseManifest,
  savedSchema,
  selectManifest,
  several,
} from "../oci/index.ts";
import { checkPlatform } from "../platform.ts";
import { bytesOf, printable } from "../tree/index.ts";
import type { ImageConfig, Platform } from "../types.ts";
import { type ImageFiles, readDocument } from "./files.ts";

export interface SavedLayer {
  /** Byte string, relative to the archive or directory. */
  readonly path: string;
  readonly diffId: string;
  readonly digest?: string;
  readonly size?: number;
}

/** An image of which the documents are read and checked, and the layers are not. */
export interface SavedImage {
  readonly config: ImageConfig;
  readonly configDigest: string;
  readonly layers: readonly SavedLayer[];
}

const EXPORT_HINT =
  "export the image for this platform, e.g. with skopeo copy --override-arch, or docker pull --platform";

/** Whether these are the files of a saved image: an OCI layout, or what `docker save` writes. */
export function isSavedImage(files: ImageFiles): boolean {
  return files.has("manifest.json") || (files.has("index.json") && files.has("oci-layout"));
}

/**
 * Reads the documents of a saved image. New versions of `docker save` write both formats into one archive; the older
 * one is taken then, because it names just the images whose layers are really there.
 */
export async function readSavedImage(files: ImageFiles, wanted: Platform): Promise<SavedImage> {
  return files.has("manifest.json")
    ? await readDockerArchive(files, wanted)
    : await readLayout(files, wanted);
}

/** `docker save`: manifest.json names the configuration and the layers by path; the digests are in the configuration. */
async function readDockerArchive(files: ImageFiles, wanted: Platform): Promise<SavedImage> {
  const { text } = await readDocument(files, "manifest.json", limits.manifestBytes);
  const images = parseDocument(text, savedSchema, "manifest.json");
  const [image] = images;
  if (image === undefined) throw new SmolError("image.bad_manifest", "manifest.json names no image");
  if (images.length > 1)
    throw several(images.map((one) => printable(bytesOf(one.RepoTags?.[0] ?? one.Config))));
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

/** OCI image layout (image-layout.md): index.json, and everything else by digest. */
async function readLayout(files: ImageFiles, wanted: Platform): Promise<SavedImage> {
  const layout = parseLayoutVersion((await readDocument(files, "oci-layout", limits.manifestBytes)).text);
  if (!layout.startsWith("1.")) {
    throw new SmolError("image.bad_manifest", `version ${layout} of the OCI layout is not supported`);
  }
  const read = async (descriptor: Descriptor, maxBytes: number) =>
    (await readDocument(files, blobPath(descriptor.digest), maxBytes, descriptor)).text;
  const { text } = await readDocument(files, "index.json", limits.manifestBytes);
  const chosen = await selectManifest(text, wanted, (descriptor) => read(descriptor, limits.manifestBytes));
  const manifest = parseManifest(await read(chosen, limits.manifestBytes), chosen.mediaType);
  const { config, diffIds, platform } = parseConfig(await read(manifest.config, limits.configBytes));
  checkPlatform(platform, wanted, EXPORT_HINT);
  const layers = pair(manifest.layers, diffIds).map(([layer, diffId]) => ({
    ...layer,
    path: blobPath(layer.digest),
    diffId,
  }));
  return { config, configDigest: manifest.config.digest, layers };
}

function parseLayoutVersion(text: string): string {
  const version = /"imageLayoutVersion"\s*:\s*"([0-9.]{1,20})"/.exec(text)?.[1];
  if (version === undefined) throw new SmolError("image.bad_manifest", "oci-layout does not name a version");
  return version;
}

/** Where a blob is; the digest was checked to be one, so that it cannot lead elsewhere. */
const blobPath = (digest: string) => `blobs/${digest.replace(":", "/")}`;

function pair<Layer>(layers: readonly Layer[], diffIds: readonly string[]): [Layer, string][] {
  if (layers.length !== diffIds.length) {
    throw new SmolError(
      "image.bad_manifest",
      `the image has ${layers.length} layers, but its configuration describes ${diffIds.length}`,
    );
  }
  return layers.map((layer, index) => [layer, diffIds[index] ?? ""]);
}
