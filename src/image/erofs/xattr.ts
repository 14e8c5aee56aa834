import type { Xattr } from "../tree/inode.ts";

/** Namespaces that EROFS has a number for (e_name_index); the name on disk is what follows the prefix. */
const prefixes: readonly (readonly [prefix: string, index: number, exact: boolean])[] = [
  ["user.", 1, false],
  ["system.posix_acl_access", 2, true],
  ["system.posix_acl_default", 3, true],
  ["trusted.", 4, false],
  ["security.", 6, false],
];

/** What a name on the disk is prefixed by; undefined for a number that is none. */
export const xattrPrefix = (index: number): string | undefined =>
  prefixes.find(([, number]) => number === index)?.[0];

/** struct erofs_xattr_ibody_header. */
const HEADER = 12;
const ENTRY = 4;

/** Whether EROFS can hold an attribute: a namespace with a number, and sizes that fit (name 255, value 65535 bytes). */
export function isStorable(xattr: Xattr): boolean {
  const place = placeOf(xattr.name);
  return place !== undefined && place.suffix.length <= 255 && xattr.value.length <= 0xffff;
}

function placeOf(name: string): { index: number; suffix: string } | undefined {
  for (const [prefix, index, exact] of prefixes) {
    if (exact ? name === prefix : name.startsWith(prefix) && name.length > prefix.length) {
      return { index, suffix: name.slice(prefix.length) };
    }
  }
  return undefined;
}

const align4 = (size: number) => (size + 3) & ~3;

/** Bytes that the attributes take behind the inode; 0 when there are none. */
export function xattrSize(xattrs: readonly Xattr[]): number {
  if (xattrs.length === 0) return 0;
  let size = HEADER;
  for (const xattr of xattrs) {
    size += align4(ENTRY + (placeOf(xattr.name)?.suffix.length ?? 0) + xattr.value.length);
  }
  return size;
}

/** Writes the attributes inline: an empty table of shared ones, then each entry, padded to 4 bytes. */
export function writeXattrs(target: Buffer, start: number, xattrs: readonly Xattr[]): void {
  if (xattrs.length === 0) return;
  target.fill(0, start, start + xattrSize(xattrs));
  let at = start + HEADER;
  for (const xattr of xattrs) {
    const place = placeOf(xattr.name);
    if (place === undefined) throw new Error(`attribute without a namespace: ${xattr.name}`);
    target[at] = place.suffix.length;
    target[at + 1] = place.index;
    target.writeUInt16LE(xattr.value.length, at + 2);
    target.write(place.suffix, at + ENTRY, "latin1");
    target.set(xattr.value, at + ENTRY + place.suffix.length);
    at += align4(ENTRY + place.suffix.length + xattr.value.length);
  }
}
