import type { Reference } from "../../registry/index.ts";
import type { Platform } from "../types.ts";
import { findRef, findRefByDigest, type StoredRef } from "./entry.ts";

/** What the cache knows of a reference: what it gave, or, when it has a digest, which image has that digest. */
export function findKnownRef(
  images: string,
  { canonical, registry, repository, digest }: Reference,
  platform: Platform,
): StoredRef | undefined {
  const exact = findRef(images, canonical, platform);
  if (exact !== undefined || digest === undefined) return exact;
  return findRefByDigest(images, `${registry}/${repository}`, digest, platform);
}

/**
 * What a reference led to in its registry, as the cache knows it; one with a digest says so itself.
 *
 * @returns undefined for one that was never asked for, or is the name of an image that was made here
 */
export function registryDigest(images: string, reference: Reference, platform: Platform): string | undefined {
  if (reference.digest !== undefined) return reference.digest;
  const ref = findRef(images, reference.canonical, platform);
  return ref?.digest === ref?.imageId ? undefined : ref?.digest;
}
