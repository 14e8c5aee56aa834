import { SmolError } from "../../errors.ts";
import { parseReference } from "../../registry/index.ts";
import { hostPlatform, platformName } from "../platform.ts";
import { hasDigest, type RefFile } from "../refs/index.ts";
import { printable } from "../tree/index.ts";
import type { Platform } from "../types.ts";
import type { Survey, SurveyedImage } from "./survey.ts";

export interface Named {
  readonly image: SurveyedImage;
  /** The reference that was meant; undefined when the image itself was named. */
  readonly ref: RefFile | undefined;
}

/** How names of images are understood. */
export interface NameOptions {
  /** Tells images of one reference apart; default: that of the host, when there are several. */
  readonly platform?: Platform | undefined;
  /** Of references that name none; default: docker.io. */
  readonly registry?: string | undefined;
}

/** Fewer digits are not looked at: they would soon mean something else. */
const MIN_PREFIX = 6;

/**
 * Finds the image that a user means.
 *
 * @param name a reference, the digest of a manifest, or the id of an image or its first digits (at least 6).
 * @throws SmolError `image.not_found`, `image.ambiguous_name`
 */
export function imageNamed({ images }: Survey, name: string, options: NameOptions = {}): Named {
  const { platform, registry } = options;
  const byReference = referencesOf(images, name, registry);
  const wanted = platformName(platform ?? hostPlatform());
  const fitting =
    platform === undefined && byReference.length === 1
      ? byReference
      : byReference.filter(({ ref }) => ref?.ref.platform === wanted);
  const [first] = fitting;
  if (first !== undefined) return first;
  if (byReference.length > 0) throw otherPlatforms(name, byReference, platform);
  const ids = byDigest(images, name, platform);
  const [only] = ids;
  if (only === undefined) {
    throw new SmolError("image.not_found", `no such image in the cache: ${shown(name)}`, {
      hint: "smolvm images ls lists what is there",
    });
  }
  if (ids.length > 1) {
    throw new SmolError("image.ambiguous_name", `several images are meant by ${shown(name)}`, {
      hint: "give more digits of the id, or --oci-platform",
    });
  }
  return { image: only, ref: undefined };
}

function referencesOf(images: readonly SurveyedImage[], name: string, registry: string | undefined): Named[] {
  const canonical = canonicalOf(name, registry);
  if (canonical === undefined) return [];
  return images.flatMap((image) =>
    image.refs.filter(({ ref }) => ref.canonical === canonical).map((ref) => ({ image, ref })),
  );
}

function canonicalOf(name: string, registry: string | undefined): string | undefined {
  try {
    return parseReference(name, { registry }).canonical;
  } catch (error) {
    // Not a reference: perhaps the first digits of an id.
    if (error instanceof SmolError) return undefined;
    throw error;
  }
}

function otherPlatforms(name: string, there: readonly Named[], wanted: Platform | undefined): SmolError {
  const platforms = there.map(({ ref }) => ref?.ref.platform).join(", ");
  return wanted === undefined
    ? new SmolError("image.ambiguous_name", `${shown(name)} is there for several platforms: ${platforms}`, {
        hint: "say which one with --oci-platform",
      })
    : new SmolError("image.not_found", `${shown(name)} is in the cache for ${platforms} only`);
}

function byDigest(
  images: readonly SurveyedImage[],
  name: string,
  platform: Platform | undefined,
): SurveyedImage[] {
  const hex = name.replace(/^sha256:/, "");
  if (!/^[0-9a-f]+$/.test(hex) || hex.length < MIN_PREFIX) return [];
  return images.filter(
    ({ stored, refs }) =>
      (platform === undefined || platformName(stored.platform) === platformName(platform)) &&
      (stored.id.startsWith(`sha256:${hex}`) || refs.some(({ ref }) => hasDigest(ref, `sha256:${hex}`))),
  );
}

const shown = (name: string) => printable(Buffer.from(name).toString("latin1"));
