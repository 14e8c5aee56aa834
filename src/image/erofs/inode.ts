import { type Attributes, FileType, type Inode, type Xattr } from "../tree/inode.ts";
import { BLOCK, EXTENDED_INODE, encodeDevice, writeInode } from "./format.ts";
import { writeXattrs, xattrSize } from "./xattr.ts";

/** Bytes of an inode with its attributes. */
export function inodeSize(xattrs: readonly Xattr[]): number {
  return EXTENDED_INODE + xattrSize(xattrs);
}

/** Inode, attributes and what stands behind them have to be within one block, or the kernel refuses the inode. */
export function fitsInline(tail: number, xattrs: readonly Xattr[]): boolean {
  return inodeSize(xattrs) + tail <= BLOCK;
}

export interface InodeParts {
  readonly layout: number;
  /** Type bits and permissions. */
  readonly mode: number;
  readonly size: number;
  /** Block number, device number or chunk format, as the type and layout ask. */
  readonly union: number;
  readonly links: number;
  readonly nid: number;
}

/** An inode and its attributes. */
export function encodeInode(attributes: Attributes, parts: InodeParts): Buffer {
  const { uid, gid, seconds, nanoseconds, xattrs } = attributes;
  const { layout, mode, size, union, links, nid } = parts;
  const xattrBytes = xattrSize(xattrs);
  const bytes = Buffer.allocUnsafe(EXTENDED_INODE + xattrBytes);
  const fields = {
    layout,
    mode,
    size,
    union,
    links,
    number: nid,
    uid,
    gid,
    seconds,
    nanoseconds,
    xattrBytes,
  };
  writeInode(bytes, 0, fields);
  writeXattrs(bytes, EXTENDED_INODE, xattrs);
  return bytes;
}

/** The device number that belongs in the inode of a device node; 0 for everything else. */
export function deviceOf(inode: Inode): number {
  const isDevice = inode.type === FileType.character || inode.type === FileType.block;
  return isDevice ? encodeDevice(inode.major, inode.minor) : 0;
}
