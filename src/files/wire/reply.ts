import type { Attributes, Entry, Space } from "../filesystem.ts";
import { OUT_HEADER } from "./opcodes.ts";

/** Bytes of `struct fuse_attr` and of `struct fuse_entry_out`, which has one behind 40 bytes of its own. */
const ATTRIBUTES = 88;
export const ENTRY = 40 + ATTRIBUTES;

const SECOND = 1_000_000_000n;

/** How long the guest believes names and attributes, nanoseconds. */
export interface Validity {
  readonly entryNs: number;
  readonly attributeNs: number;
}

/** A reply: fuse_out_header, and a body of a known size. */
export class Reply {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(unique: bigint, size: number, errno = 0) {
    this.bytes = new Uint8Array(OUT_HEADER + size);
    this.view = new DataView(this.bytes.buffer);
    this.view.setUint32(0, this.bytes.length, true);
    this.view.setInt32(4, -errno, true);
    this.view.setBigUint64(8, unique, true);
  }

  /** The body, for who fills it. */
  get body(): Uint8Array {
    return this.bytes.subarray(OUT_HEADER);
  }

  /** The reply with only so much of its body: bytes that were not there. */
  cut(size: number): Uint8Array {
    this.view.setUint32(0, OUT_HEADER + size, true);
    return this.bytes.subarray(0, OUT_HEADER + size);
  }
}

/** `struct fuse_attr`. */
export function putAttributes(view: DataView, at: number, attributes: Attributes): void {
  const { accessedAt, modifiedAt, changedAt } = attributes;
  view.setBigUint64(at, attributes.inode, true);
  view.setBigUint64(at + 8, BigInt(attributes.size), true);
  view.setBigUint64(at + 16, BigInt(attributes.blocks), true);
  [accessedAt, modifiedAt, changedAt].forEach((time, i) => {
    // A moment before 1970 has a negative second and a fraction that counts upwards.
    const fraction = ((time % SECOND) + SECOND) % SECOND;
    view.setBigInt64(at + 24 + 8 * i, (time - fraction) / SECOND, true);
    view.setUint32(at + 48 + 4 * i, Number(fraction), true);
  });
  view.setUint32(at + 60, attributes.mode, true);
  view.setUint32(at + 64, attributes.links, true);
  view.setUint32(at + 68, attributes.uid, true);
  view.setUint32(at + 72, attributes.gid, true);
  view.setUint32(at + 80, attributes.blockSize, true);
}

/** `struct fuse_attr_out`. */
export function attributesReply(
  unique: bigint,
  attributes: Attributes,
  { attributeNs }: Validity,
): Uint8Array {
  const reply = new Reply(unique, 16 + ATTRIBUTES);
  putNanoseconds(reply.view, OUT_HEADER, OUT_HEADER + 8, attributeNs);
  putAttributes(reply.view, OUT_HEADER + 16, attributes);
  return reply.bytes;
}

/** `struct fuse_entry_out`. The same inode number may come back for another file: `generation` is always 0, nodes never repeat. */
export function putEntry(view: DataView, at: number, { node, attributes }: Entry, validity: Validity): void {
  view.setBigUint64(at, BigInt(node), true);
  putNanoseconds(view, at + 16, at + 32, validity.entryNs);
  putNanoseconds(view, at + 24, at + 36, validity.attributeNs);
  putAttributes(view, at + 40, attributes);
}

/** @param more bytes behind the entry, for who fills them */
export function entryReply(unique: bigint, entry: Entry, validity: Validity, more = 0): Reply {
  const reply = new Reply(unique, ENTRY + more);
  putEntry(reply.view, OUT_HEADER, entry, validity);
  return reply;
}

function putNanoseconds(view: DataView, seconds: number, fraction: number, value: number): void {
  view.setBigUint64(seconds, BigInt(Math.floor(value / 1e9)), true);
  view.setUint32(fraction, value % 1e9, true);
}

/** `struct fuse_statfs_out`. */
export function spaceReply(unique: bigint, space: Space): Uint8Array {
  const reply = new Reply(unique, 80);
  const { blocks, freeBlocks, availableBlocks, files, freeFiles } = space;
  [blocks, freeBlocks, availableBlocks, files, freeFiles].forEach((value, i) => {
    reply.view.setBigUint64(OUT_HEADER + 8 * i, value, true);
  });
  reply.view.setUint32(OUT_HEADER + 40, space.blockSize, true);
  reply.view.setUint32(OUT_HEADER + 44, space.nameLength, true);
  reply.view.setUint32(OUT_HEADER + 48, space.blockSize, true);
  return reply.bytes;
}
