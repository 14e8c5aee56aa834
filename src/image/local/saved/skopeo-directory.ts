import { SmolError } from "../../../errors.ts";
import { limits } from "../../limits.ts";
import {
  type Descriptor,
  documentType,
  isIndexType,
  parseConfig,
  parseManifest,
  selectManifest,
} from "../../oci/index.ts";
import { checkPlatform } from "../../platform.ts";
import { type ImageFiles, readDocument } from "../files.ts";
import type { Wanted } from "./index.ts";
import { EXPORT_HINT, pair, type SavedImage } from "./types.ts";

/**
 * What `skopeo copy … dir:PATH` writes (containers/image, docs/containers-transports.5, "dir"): `version`,
 * `manifest.json` as the registry had it, every blob under the hex digits of its digest, and with `--all`, beside an
 * index, the manifests as `HEX.manifest.json`.
 */
const VERSION = /^Directory Transport Version: (\d+)\.\d+\n?$/;

/** Whether these are the files of such a directory. @throws SmolError for versions that are not known. */
export async function isSkopeoDirectory(files: ImageFiles): Promise<boolean> {
  if (!files.has("version")) return false;
  const { text } = await readDocument(files, "version", limits.manifestBytes);
  const major = VERSION.exec(text)?.[1];
  if (major === undefined || major === "1") return major !== undefined;
  throw new SmolError("image.bad_manifest", `version ${major} of skopeo's directories is not supported`);
}

/** @param text `manifest.json`: of one image, or an index. */
export async function readSkopeoDirectory(
  files: ImageFiles,
  text: string,
  { platform: wanted, name }: Wanted,
): Promise<SavedImage> {
  if (name !== undefined) {
    throw new SmolError("image.no_such_tag", "a directory of skopeo holds one image, which has no name");
  }
  const read = async (path: string, descriptor: Descriptor, maxBytes: number) =>
    (await readDocument(files, path, maxBytes, descriptor)).text;
  const readManifest = (descriptor: Descriptor) =>
    read(`${hexOf(descriptor.digest)}.manifest.json`, descriptor, limits.manifestBytes);
  let [manifestText, mediaType] = [text, documentType(text)];
  if (isIndexType(mediaType)) {
    const chosen = await selectManifest(text, wanted, readManifest);
    [manifestText, mediaType] = [await readManifest(chosen), chosen.mediaType];
  }
  const manifest = parseManifest(manifestText, mediaType);
  const configPath = hexOf(manifest.config.digest);
  const { config, diffIds, platform } = parseConfig(
    await read(configPath, manifest.config, limits.configBytes),
  );
  checkPlatform(platform, wanted, EXPORT_HINT);
  const layers = pair(manifest.layers, diffIds).map(([layer, diffId]) => ({
    ...layer,
    path: hexOf(layer.digest),
    diffId,
  }));
  return { config, configDigest: manifest.config.digest, layers };
}

const hexOf = (digest: string) => digest.slice(digest.indexOf(":") + 1);
