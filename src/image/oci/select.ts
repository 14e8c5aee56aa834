import type { InferOutput } from "valibot";
import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { platformName, platformScore } from "../platform.ts";
import type { Platform } from "../types.ts";
import { isIndexType, isManifestType } from "./media-types.ts";
import { type Named, pickByName, several } from "./pick.ts";
import { indexSchema, type manifestSchema, parseDocument } from "./schema.ts";

export type Descriptor = InferOutput<typeof manifestSchema>["config"];

/**
 * Follows indexes down to the one manifest for a platform (image-index.md).
 *
 * @param text the top index.
 * @param fetch reads the document of a descriptor, checked against its digest and size.
 * @param name of one of the images in the top index, by its annotations; undefined for all of them.
 * @throws SmolError when none or several fit, or the nesting is deeper than the limit.
 */
export async function selectManifest(
  text: string,
  wanted: Platform,
  fetch: (descriptor: Descriptor) => Promise<string>,
  name?: string,
): Promise<Descriptor> {
  let index = text;
  for (let depth = 0; depth < limits.indexDepth; depth++) {
    const parsed = parseDocument(index, indexSchema, "the image's index");
    if (parsed.layers !== undefined || parsed.config !== undefined) {
      throw new SmolError("image.bad_manifest", "the image's index is also a manifest, which is not allowed");
    }
    const meant = depth === 0 ? pickByName(parsed.manifests.map(named), name) : parsed.manifests.map(named);
    const chosen = choose(
      meant.map(({ image }) => image),
      wanted,
    );
    if (!isIndexType(chosen.mediaType)) return chosen;
    index = await fetch(chosen);
  }
  throw new SmolError("image.limit", `the image's indexes are nested deeper than ${limits.indexDepth}`);
}

function choose(manifests: readonly Descriptor[], wanted: Platform): Descriptor {
  const images = manifests.filter(({ mediaType }) => isManifestType(mediaType) || isIndexType(mediaType));
  if (images.length === 0) throw new SmolError("image.bad_manifest", "the index names no image");
  // Where nothing says for which platform an image is, its configuration will.
  const scored = images.map((image) => ({
    image,
    score: image.platform ? platformScore(image.platform, wanted) : 1,
  }));
  const best = Math.max(...scored.map(({ score }) => score));
  if (best === 0) {
    const names = [...new Set(images.map((image) => platformName(image.platform ?? {})))].join(", ");
    throw new SmolError(
      "image.wrong_platform",
      `no image for ${platformName(wanted)}: there is only ${names}`,
    );
  }
  const fitting = scored.filter(({ score }) => score === best).map(({ image }) => image);
  const digests = new Set(fitting.map((image) => image.digest));
  const [first] = fitting;
  if (first === undefined || digests.size > 1) throw several(fitting.map(named));
  return first;
}

/** What an image is called in an index, if it has names there; else, only to tell it apart, its digest. */
function named(image: Descriptor): Named<Descriptor> {
  const { annotations, digest } = image;
  const names = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
    .map((key) => annotations?.[key])
    .filter((name) => name !== undefined);
  return { names: names.length > 0 ? names : [digest.slice(0, 19)], image };
}
