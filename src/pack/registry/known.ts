/**
 * What the cache knows of packs in registries: as with images, a name that was asked about is not asked about again
 * while its image is there. It is in the entry that the image's name has (src/image/refs/).
 */
import { object, safeParse, unknown } from "valibot";
import { platformNamed } from "../../image/platform.ts";
import { findKnownRef, writeRef } from "../../image/refs/index.ts";
import { findImage } from "../../image/store/index.ts";
import type { Reference } from "../../registry/index.ts";
import { decodeManifest, encodeManifest, type Manifest } from "../manifest.ts";
import { packedImageId } from "../open-image.ts";
import { descriptorSchema, type PackDescriptor } from "./document.ts";

/** A pack as its registry describes it. */
export interface FoundPack {
  readonly manifest: Manifest;
  /** What its name led to. */
  readonly digest: string;
  /** Of its file. */
  readonly pack: PackDescriptor;
}

const schema = object({ manifest: unknown(), file: descriptorSchema });

/** Entries are read whenever images are listed; a manifest has a few kilobytes, and one with more is asked for again. */
const MOST_BYTES = 256 * 1024;

/**
 * @param images directory of the cache
 * @param platform `linux/amd64`
 * @returns undefined when nothing is known, or the image is not in the cache any more
 */
export function knownPack(images: string, reference: Reference, platform: string): FoundPack | undefined {
  const known = findKnownRef(images, reference, platformNamed(platform));
  const read = safeParse(schema, known?.pack);
  if (known === undefined || !read.success || findImage(images, known.imageId) === undefined)
    return undefined;
  const manifest = decodeManifest(Buffer.from(JSON.stringify(read.output.manifest)));
  if (packedImageId(manifest) !== known.imageId) return undefined;
  return { manifest, digest: known.digest, pack: read.output.file };
}

/** @throws SmolError when the cache cannot be written */
export function rememberPack(
  images: string,
  { canonical, familiar }: Reference,
  { manifest, digest, pack: file }: FoundPack,
): void {
  const encoded = encodeManifest(manifest);
  if (encoded.length > MOST_BYTES) return;
  const pack = { manifest: JSON.parse(encoded.toString()), file };
  const ids = { digest, manifestDigest: digest, imageId: packedImageId(manifest) };
  writeRef(images, platformNamed(manifest.platform), { canonical, familiar, ...ids, pack });
}
