/** Which image each reference of a registry gave. */
export { findRef, hasDigest, listRefs, type RefFile, readRef, type StoredRef } from "./entry.ts";
export { findKnownRef, registryDigest } from "./find.ts";
export { writeRef } from "./write.ts";
