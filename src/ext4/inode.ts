/** Inodes of an ext4 (Documentation/filesystems/ext4/inodes.rst, attributes.rst). */
import { FileType, type FileTypeBits, type Xattr } from "../image/tree/index.ts";
import { damaged } from "./failure.ts";

const BASE_BYTES = 128;
const MAP_OFFSET = 40;
export const MAP_BYTES = 60;
const XATTR_MAGIC = 0xea020000;
const EXTENTS_FLAG = 0x80000;

const types: ReadonlySet<number> = new Set(Object.values(FileType));

/** An inode without what is elsewhere: its data, and attributes that did not fit. */
export interface DiskInode {
  readonly type: FileTypeBits;
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly links: number;
  /** Root of the tree of extents; of short symbolic links the target, of device nodes the number. */
  readonly map: Buffer;
  readonly hasExtents: boolean;
  /** Where further attributes are; 0: nowhere. */
  readonly attributeBlock: number;
  /** The attributes that are in the inode itself. */
  readonly xattrs: readonly Xattr[];
}

/** @throws SmolError `disk.damaged` */
export function parseInode(bytes: Buffer, number: number): DiskInode {
  const mode = bytes.readUInt16LE(0);
  const type = mode & 0o170000;
  const links = bytes.readUInt16LE(26);
  if (!types.has(type) || links === 0) throw damaged(`inode ${number} is no file`);
  const extra = bytes.length > BASE_BYTES ? bytes.readUInt16LE(128) : 0;
  if (BASE_BYTES + extra > bytes.length) throw damaged(`inode ${number} is longer than its place`);
  // Bits 0 and 1 count what the 32 bits of seconds cannot, the others are nanoseconds.
  const fine = extra >= 12 ? bytes.readUInt32LE(136) : 0;
  return {
    type: type as FileTypeBits,
    permissions: mode & 0o7777,
    uid: bytes.readUInt16LE(2) + bytes.readUInt16LE(120) * 65_536,
    gid: bytes.readUInt16LE(24) + bytes.readUInt16LE(122) * 65_536,
    size: bytes.readUInt32LE(4) + bytes.readUInt32LE(108) * 2 ** 32,
    seconds: bytes.readInt32LE(16) + (fine & 3) * 2 ** 32,
    nanoseconds: Math.min(fine >>> 2, 999_999_999),
    links,
    map: Buffer.from(bytes.subarray(MAP_OFFSET, MAP_OFFSET + MAP_BYTES)),
    hasExtents: (bytes.readUInt32LE(32) & EXTENTS_FLAG) !== 0,
    attributeBlock: bytes.readUInt32LE(104) + bytes.readUInt16LE(118) * 2 ** 32,
    xattrs: inInode(bytes, BASE_BYTES + extra, extra),
  };
}

/** Major and minor of a device node, from its old or its new form (kernel, `old_decode_dev`, `new_decode_dev`). */
export function deviceNumber(map: Buffer): { readonly major: number; readonly minor: number } {
  const old = map.readUInt32LE(0);
  if (old !== 0) return { major: (old >>> 8) & 0xff, minor: old & 0xff };
  const value = map.readUInt32LE(4);
  return { major: (value >>> 8) & 0xfff, minor: (value & 0xff) | ((value >>> 12) & 0xfff00) };
}

function inInode(bytes: Buffer, at: number, extra: number): Xattr[] {
  if (extra === 0 || at + 4 > bytes.length || bytes.readUInt32LE(at) !== XATTR_MAGIC) return [];
  return readAttributes(bytes.subarray(at + 4), 0, 0);
}

/** The attributes of a block of their own. @throws SmolError `disk.damaged` */
export function parseAttributeBlock(block: Buffer): Xattr[] {
  if (block.readUInt32LE(0) !== XATTR_MAGIC) throw damaged("a block of attributes is none");
  return readAttributes(block, 32, 0);
}

/** Names in the numbers that ext4 has for them; 2 and 3 are whole names. */
const prefixes: Readonly<Record<number, string>> = {
  1: "user.",
  2: "system.posix_acl_access",
  3: "system.posix_acl_default",
  4: "trusted.",
  6: "security.",
  7: "system.",
};

/** @param first where the first entry is @param origin what places of values count from */
function readAttributes(area: Buffer, first: number, origin: number): Xattr[] {
  const found: Xattr[] = [];
  let bytes = 0;
  let at = first;
  while (at + 16 <= area.length && area.readUInt32LE(at) !== 0) {
    const nameLength = area[at] as number;
    const index = area[at + 1] as number;
    const start = origin + area.readUInt16LE(at + 2);
    const size = area.readUInt32LE(at + 8);
    const nameEnd = at + 16 + nameLength;
    if (area.readUInt32LE(at + 4) !== 0 || nameEnd > area.length || start + size > area.length)
      throw damaged("an attribute is outside of its place");
    // Values that lie over each other would be many times what the disk holds.
    bytes += nameLength + size;
    if (bytes > area.length) throw damaged("attributes share their place");
    const name = `${prefixes[index] ?? ""}${area.toString("latin1", at + 16, nameEnd)}`;
    const value = Buffer.from(area.subarray(start, start + size));
    if (index === 2 || index === 3) found.push({ name, value: aclValue(value) });
    else if (prefixes[index] !== undefined) found.push({ name, value });
    at = (nameEnd + 3) & ~3;
  }
  return found;
}

/** On the disk an ACL has entries of two sizes; getxattr(2) gives all of them an id (linux/posix_acl_xattr.h). */
function aclValue(disk: Buffer): Buffer {
  const entries: Buffer[] = [];
  if (disk.length < 4 || disk.readUInt32LE(0) !== 1) throw damaged("an access control list is none");
  for (let at = 4; at < disk.length; ) {
    const named = at + 4 <= disk.length && [0x02, 0x08].includes(disk.readUInt16LE(at));
    const length = named ? 8 : 4;
    if (at + length > disk.length) throw damaged("an access control list is cut off");
    const entry = Buffer.alloc(8, 0xff);
    disk.copy(entry, 0, at, at + length);
    entries.push(entry);
    at += length;
  }
  const version = Buffer.alloc(4);
  version.writeUInt32LE(2);
  return Buffer.concat([version, ...entries]);
}
