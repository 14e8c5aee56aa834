/** Which image each reference of a registry gave. */
export { findRef, hasDigest, listRefs, type RefFile, readRef, type StoredRef } from "./entry.ts";
export { findKnownRef } from "./find.ts";
export { writeRef } from "./write.ts";
