import { readFileSync } from "node:fs";
import { errnoOf } from "../../errors.ts";
import { namesIn } from "../../host/index.ts";
import { platformName } from "../platform.ts";
import type { Platform } from "../types.ts";

const VERSION = 1;

/** Which image a reference gave when it was last asked for; one file for each reference and platform. */
export interface StoredRef {
  readonly version: typeof VERSION;
  /** With registry, tag and digest: docker.io/library/alpine:3.20. */
  readonly canonical: string;
  /** As users write it: alpine:3.20. */
  readonly familiar: string;
  /** What was asked for: `linux/arm/v7`. */
  readonly platform: string;
  /** Digest of what the reference names in the registry: an index, or a manifest. */
  readonly digest: string;
  /** Digest of the manifest that was chosen. */
  readonly manifestDigest: string;
  readonly imageId: string;
  /** Seconds since 1970. */
  readonly pulledAt: number;
  /** The reference is a pack's, which is more than its image: what src/pack/ has to know of it. */
  readonly pack?: unknown;
}

/** A reference, with the file that says where it leads. */
export interface RefFile {
  readonly path: string;
  readonly ref: StoredRef;
}

export const refsDirectory = (images: string) => `${images}/refs`;

/** Where the entry of a reference is. @param canonical see `StoredRef`. */
export function refPath(images: string, canonical: string, platform: Platform): string {
  const key = new Bun.CryptoHasher("sha256").update(`${canonical}\0${platformName(platform)}`).digest("hex");
  return `${refsDirectory(images)}/${key.slice(0, 32)}.json`;
}

/** What is known of a reference; undefined when nothing is, or the entry is damaged. */
export function findRef(images: string, canonical: string, platform: Platform): StoredRef | undefined {
  const ref = readRef(refPath(images, canonical, platform));
  return ref?.canonical === canonical && ref.platform === platformName(platform) ? ref : undefined;
}

/**
 * What is known of an image that is named by its digest: perhaps it came by a tag of the same repository.
 *
 * @param repository with its registry: docker.io/library/alpine.
 */
export function findRefByDigest(
  images: string,
  repository: string,
  digest: string,
  platform: Platform,
): StoredRef | undefined {
  return listRefs(images).find(
    ({ ref }) =>
      ref.platform === platformName(platform) &&
      hasDigest(ref, digest) &&
      /^[:@]/.test(ref.canonical.slice(repository.length)) &&
      ref.canonical.startsWith(repository),
  )?.ref;
}

/** Whether a digest names what a reference gave: the index, or the manifest that was chosen. */
export const hasDigest = (ref: StoredRef, digest: string) =>
  ref.digest === digest || ref.manifestDigest === digest;

/** All references in the cache, with the files that hold them. */
export function listRefs(images: string): RefFile[] {
  const directory = refsDirectory(images);
  return namesIn(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    const ref = name.endsWith(".json") && !name.startsWith(".") ? readRef(path) : undefined;
    return ref === undefined ? [] : [{ path, ref }];
  });
}

/** Makes the text of an entry. */
export const formatRef = (ref: Omit<StoredRef, "version">) => JSON.stringify({ version: VERSION, ...ref });

/** What one file says; undefined when it is not there, or damaged. */
export function readRef(path: string): StoredRef | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isRef(value) ? value : undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (error instanceof SyntaxError || code === "ENOENT" || code === "EACCES" || code === "EIO")
      return undefined;
    throw error;
  }
}

function isRef(value: unknown): value is StoredRef {
  if (typeof value !== "object" || value === null) return false;
  const ref = value as Partial<Record<keyof StoredRef, unknown>>;
  const texts = [ref.canonical, ref.familiar, ref.platform, ref.digest, ref.manifestDigest, ref.imageId];
  return (
    ref.version === VERSION &&
    texts.every((text) => typeof text === "string") &&
    Number.isSafeInteger(ref.pulledAt) &&
    /^sha256:[0-9a-f]{64}$/.test(String(ref.imageId))
  );
}
