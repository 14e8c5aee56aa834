/** Attributes of the kind `user.` (xattr(7)) of a file. Each function may throw FileError. */
import { getAttribute, listAttributes, removeAttribute, setAttribute } from "../../../ffi/files.ts";
import { must } from "../errno.ts";
import type { Access } from "./access.ts";

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux. */
const MAX_VALUE = 65_536;

export function getExtended(access: Access, fd: number, name: string): Uint8Array {
  const value = new Uint8Array(MAX_VALUE);
  return value.subarray(0, must(access.onFile(fd, () => getAttribute(fd, name, value))));
}

/** Names of all attributes, of any kind. */
export function listExtended(fd: number): string[] {
  const names = Buffer.alloc(MAX_VALUE);
  const length = must(listAttributes(fd, names));
  return names.toString("latin1", 0, length).split("\0").slice(0, -1);
}

/** @param flags XATTR_CREATE 1, XATTR_REPLACE 2 */
export function setExtended(
  access: Access,
  fd: number,
  name: string,
  value: Uint8Array,
  flags: number,
): void {
  must(access.onFile(fd, () => setAttribute(fd, name, value, flags)));
}

export function removeExtended(access: Access, fd: number, name: string): void {
  must(access.onFile(fd, () => removeAttribute(fd, name)));
}
