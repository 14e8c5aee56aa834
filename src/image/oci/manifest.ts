import { SmolError } from "../../errors.ts";
import { printable } from "../tree/index.ts";
import { isConfigType, isManifestType, requireLayerType } from "./media-types.ts";
import { manifestSchema, parseDocument } from "./schema.ts";
import type { Descriptor } from "./select.ts";

export interface ManifestLayer {
  readonly digest: string;
  readonly size: number;
  /** Other places that claim to have it; nothing is fetched from there. */
  readonly urls?: readonly string[] | undefined;
}

/** What is behind a name says more than an image does: whoever can run packs takes it from here. */
export const isAPack = (): SmolError =>
  new SmolError("image.is_a_pack", "this is a pack, not a container image", {
    hint: "smolvm machine run --image NAME runs it; elsewhere: smolvm pack pull NAME, then --from FILE",
  });

/**
 * Reads the manifest of one image (manifest.md; Docker image manifest v2 schema 2).
 *
 * @param mediaType what led here says it is.
 * @throws SmolError for artifacts that are no images, unknown layers, and documents that are also an index.
 */
export function parseManifest(
  text: string,
  mediaType: string,
): { config: Descriptor; layers: ManifestLayer[] } {
  const manifest = parseDocument(text, manifestSchema, "the image's manifest");
  if (manifest.manifests !== undefined) {
    throw new SmolError("image.bad_manifest", "the image's manifest is also an index, which is not allowed");
  }
  if (manifest.mediaType !== undefined && (manifest.mediaType !== mediaType || !isManifestType(mediaType))) {
    throw new SmolError(
      "image.bad_manifest",
      `a manifest of type ${printable(mediaType)} says it is another type`,
    );
  }
  if (!isConfigType(manifest.config.mediaType)) {
    const kind = printable(manifest.artifactType ?? manifest.config.mediaType);
    if (manifest.config.mediaType === "application/vnd.smolmachines.machine.config.v1+json") {
      throw isAPack();
    }
    throw new SmolError("image.not_an_image", `this is an artifact of type ${kind}, not a container image`);
  }
  const layers = manifest.layers.map(({ digest, size, mediaType: type, urls }) => {
    requireLayerType(type);
    return { digest, size, urls: urls ?? undefined };
  });
  return { config: manifest.config, layers };
}
