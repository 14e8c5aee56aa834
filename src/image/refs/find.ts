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
