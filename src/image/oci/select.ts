import type { InferOutput } from "valibot";
import { SmolError } from "../../errors.ts";
import { limits } from "../limits.ts";
import { platformName, platformScore } from "../platform.ts";
import type { Platform } from "../types.ts";
import { isIndexType, isManifestType } from "./media-types.ts";
import { indexSchema, type manifestSchema, parseDocument } from "./schema.ts";

export type Descriptor = InferOutput<typeof manifestSchema>["config"];

/**
 * Follows indexes down to the one manifest for a platform (image-index.md).
 *
 * @param text the top index.
 * @param fetch reads the document of a descriptor, checked against its digest and size.
 * @throws SmolError when none or several fit, or the nesting is deeper than the limit.
 */
export async function selectManifest(
  text: string,
  wanted: Platform,
  fetch: (descriptor: Descriptor) => Promise<string>,
): Promise<Descriptor> {
  let index = text;
  for (let depth = 0; depth < limits.indexDepth; depth++) {
    const parsed = parseDocument(index, indexSchema, "the image's index");
    if (parsed.layers !== undefined || parsed.config !== undefined) {
      throw new SmolError("image.bad_manifest", "the image's index is also a manifest, which is not allowed");
    }
    const chosen = choose(parsed.manifests, wanted);
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
  if (first === undefined || digests.size > 1) throw several(fitting.map(nameOf));
  return first;
}

/** @param names what tells the images apart. */
export function several(names: readonly string[]): SmolError {
  return new SmolError("image.ambiguous", `there are several images inside: ${names.join(", ")}`, {
    hint: "save only the one that you want to run",
  });
}

const nameOf = ({ annotations, digest }: Descriptor) =>
  annotations?.["io.containerd.image.name"] ??
  annotations?.["org.opencontainers.image.ref.name"] ??
  digest.slice(0, 19);
