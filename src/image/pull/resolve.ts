import { SmolError } from "../../errors.ts";
import type { Repository } from "../../registry/index.ts";
import { Digester } from "../blob/index.ts";
import { limits } from "../limits.ts";
import {
  type Descriptor,
  isIndexType,
  type ManifestLayer,
  type ParsedConfig,
  parseConfig,
  parseManifest,
  selectManifest,
} from "../oci/index.ts";
import { checkPlatform } from "../platform.ts";
import type { Platform } from "../types.ts";

/** An image of a registry of which the documents are read and checked, and the layers are not. */
export interface RemoteImage extends ParsedConfig {
  /** Of what the reference names: an index or a manifest. */
  readonly digest: string;
  readonly manifestDigest: string;
  readonly configDigest: string;
  /** Lowest first; each with the digest of its contents. */
  readonly layers: readonly (ManifestLayer & { readonly diffId: string })[];
}

/**
 * Reads index, manifest and configuration of an image (OCI distribution specification, "Pull").
 *
 * @param name a tag, or a digest, with which what the registry answers is compared.
 * @throws SmolError for anything that is not an image for the platform.
 */
export async function resolveRemote(
  repository: Repository,
  name: string,
  platform: Platform,
): Promise<RemoteImage> {
  const top = await repository.manifest(name, limits.manifestBytes);
  const { descriptor, text } = isIndexType(top.mediaType)
    ? await chooseManifest(repository, textOf(top.bytes), platform)
    : { descriptor: { mediaType: top.mediaType, digest: top.digest }, text: textOf(top.bytes) };
  const manifest = parseManifest(text, descriptor.mediaType);
  const config = parseConfig(await readBlob(repository, manifest.config, limits.configBytes));
  checkPlatform(config.platform, platform, "the registry has this image for that platform only");
  const { diffIds } = config;
  if (manifest.layers.length !== diffIds.length) {
    throw new SmolError(
      "image.bad_manifest",
      `the image has ${manifest.layers.length} layers, but its configuration describes ${diffIds.length}`,
    );
  }
  return {
    ...config,
    digest: top.digest,
    manifestDigest: descriptor.digest,
    configDigest: manifest.config.digest,
    layers: manifest.layers.map((layer, index) => ({ ...layer, diffId: diffIds[index] ?? "" })),
  };
}

async function chooseManifest(
  repository: Repository,
  index: string,
  platform: Platform,
): Promise<{ descriptor: Descriptor; text: string }> {
  const fetched = new Map<string, string>();
  const read = async (descriptor: Descriptor) => {
    const { bytes, mediaType } = await repository.manifest(descriptor.digest, limits.manifestBytes);
    if (bytes.length !== descriptor.size || mediaType !== descriptor.mediaType) {
      throw new SmolError(
        "image.bad_manifest",
        "a document of the image is not of the size and type that its index promises",
      );
    }
    const text = textOf(bytes);
    fetched.set(descriptor.digest, text);
    return text;
  };
  const descriptor = await selectManifest(index, platform, read);
  return { descriptor, text: fetched.get(descriptor.digest) ?? (await read(descriptor)) };
}

/** Reads a small blob whole, and checks it; once more from the origin when it is not what it should be. */
async function readBlob(repository: Repository, descriptor: Descriptor, maxBytes: number): Promise<string> {
  if (descriptor.size > maxBytes) {
    throw new SmolError("image.limit", `the image's configuration is larger than ${maxBytes} bytes`);
  }
  try {
    return await readChecked(repository, descriptor, false);
  } catch (error) {
    if (!(error instanceof SmolError) || error.code !== "image.digest_mismatch") throw error;
    return await readChecked(repository, descriptor, true);
  }
}

async function readChecked(repository: Repository, descriptor: Descriptor, origin: boolean): Promise<string> {
  const digester = new Digester(descriptor.digest);
  const bytes = Buffer.alloc(descriptor.size);
  let length = 0;
  for await (const chunk of repository.blob(
    { digest: descriptor.digest, size: descriptor.size },
    { origin, document: true },
  )) {
    digester.update(chunk);
    bytes.set(chunk, length);
    length += chunk.length;
  }
  digester.check("the image's configuration");
  return textOf(bytes);
}

/** Documents are JSON, and so UTF-8; anything else fails when it is parsed. */
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
