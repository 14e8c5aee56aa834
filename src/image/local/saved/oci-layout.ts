import { SmolError } from "../../../errors.ts";
import { limits } from "../../limits.ts";
import { type Descriptor, parseConfig, parseManifest, selectManifest } from "../../oci/index.ts";
import { checkPlatform } from "../../platform.ts";
import { type ImageFiles, readDocument } from "../files.ts";
import type { Wanted } from "./index.ts";
import { EXPORT_HINT, pair, type SavedImage } from "./types.ts";

/** OCI image layout (image-layout.md): index.json, and everything else by digest. */
export async function readLayout(files: ImageFiles, { platform: wanted, name }: Wanted): Promise<SavedImage> {
  const layout = parseLayoutVersion((await readDocument(files, "oci-layout", limits.manifestBytes)).text);
  if (!layout.startsWith("1.")) {
    throw new SmolError("image.bad_manifest", `version ${layout} of the OCI layout is not supported`);
  }
  const read = async (descriptor: Descriptor, maxBytes: number) =>
    (await readDocument(files, blobPath(descriptor.digest), maxBytes, descriptor)).text;
  const { text } = await readDocument(files, "index.json", limits.manifestBytes);
  const chosen = await selectManifest(
    text,
    wanted,
    (descriptor) => read(descriptor, limits.manifestBytes),
    name,
  );
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
