/**
 * The on-disk format of EROFS (Linux: Documentation/filesystems/erofs.rst and fs/erofs/erofs_fs.h), the part that
 * this writer uses: uncompressed, 4 KiB blocks, extended inodes, inline attributes. All numbers are little-endian.
 */
import { crc32c } from "./crc32c.ts";

export const BLOCK_BITS = 12;
export const BLOCK = 1 << BLOCK_BITS;
/** Inodes are addressed in units of 32 bytes from the start of the metadata area, which here is block 0. */
export const SLOT = 32;
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_SIZE = 128;
export const MAGIC = 0xe0f5e1e2;
export const EXTENDED_INODE = 64;
/** The root directory stands right behind the superblock: its number has only 16 bits there. */
export const ROOT_OFFSET = SUPERBLOCK_OFFSET + SUPERBLOCK_SIZE;
/** Marks a hole in the map of a chunked file. */
export const HOLE = 0xffffffff;
/** Block numbers have 32 bits; the last one means "hole". */
export const MAX_BLOCKS = HOLE - 1;

const FEATURE_COMPAT_CHECKSUM = 0x1;
const FEATURE_COMPAT_MTIME = 0x2;
const FEATURE_INCOMPAT_CHUNKED = 0x4;

/** How the data of an inode is laid out (i_format bits 1–3). */
export const Layout = {
  /** All data in consecutive blocks. */
  plain: 0,
  /** As plain, but the last, partial block stands right behind the inode. */
  inline: 2,
  /** An array of block numbers, one for each chunk, stands behind the inode. */
  chunked: 4,
} as const;

export interface Superblock {
  readonly inodes: number;
  readonly blocks: number;
  readonly chunked: boolean;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
}

/**
 * Fills in the superblock.
 *
 * @param block the first block of the image, complete except for the superblock: the checksum covers its rest too.
 */
export function writeSuperblock(block: Buffer, superblock: Superblock): void {
  const at = SUPERBLOCK_OFFSET;
  block.fill(0, at, at + SUPERBLOCK_SIZE);
  block.writeUInt32LE(MAGIC, at);
  block.writeUInt32LE(FEATURE_COMPAT_CHECKSUM | FEATURE_COMPAT_MTIME, at + 8);
  block[at + 12] = BLOCK_BITS;
  block.writeUInt16LE(ROOT_OFFSET / SLOT, at + 14);
  block.writeBigUInt64LE(BigInt(superblock.inodes), at + 16);
  block.writeUInt32LE(superblock.blocks, at + 36);
  block.set(superblock.uuid.subarray(0, 16), at + 48);
  block.writeUInt32LE(superblock.chunked ? FEATURE_INCOMPAT_CHUNKED : 0, at + 80);
  block.writeUInt32LE(crc32c(block.subarray(at, BLOCK)), at + 4);
}

export interface InodeFields {
  readonly layout: number;
  /** Type bits and permissions. */
  readonly mode: number;
  readonly size: number;
  /** Block number, device number or chunk format, as the type and layout ask. */
  readonly union: number;
  readonly number: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly links: number;
  /** Bytes of the attribute area, 0 or at least 12. */
  readonly xattrBytes: number;
}

/** Offset of the link count inside an inode. */
export const LINKS_OFFSET = 44;

/** Writes an extended inode (struct erofs_inode_extended, 64 bytes). */
export function writeInode(target: Buffer, at: number, inode: InodeFields): void {
  target.writeUInt16LE(1 | (inode.layout << 1), at);
  target.writeUInt16LE(inode.xattrBytes === 0 ? 0 : (inode.xattrBytes - 12) / 4 + 1, at + 2);
  target.writeUInt16LE(inode.mode, at + 4);
  target.writeUInt16LE(0, at + 6);
  writeUInt64(target, inode.size, at + 8);
  target.writeUInt32LE(inode.union, at + 16);
  target.writeUInt32LE(inode.number >>> 0, at + 20);
  target.writeUInt32LE(inode.uid, at + 24);
  target.writeUInt32LE(inode.gid, at + 28);
  target.writeBigInt64LE(BigInt(inode.seconds), at + 32);
  target.writeUInt32LE(inode.nanoseconds, at + 40);
  target.writeUInt32LE(inode.links, at + LINKS_OFFSET);
  target.fill(0, at + 48, at + 64);
}

/** Writes a whole number below 2^53; faster than by way of a BigInt. */
export function writeUInt64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % 0x1_0000_0000, at);
  target.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

/** A device number as the kernel stores it (new_encode_dev: 12 bits of major, 20 bits of minor). */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
