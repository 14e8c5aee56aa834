import type { Attributes } from "../tree/index.ts";
import { entryKinds, HIDDEN, type LayerEntry } from "./entry.ts";

/** Where the place of a small file stands in its record, counted from the record's end. */
export const PLACE_BYTES = 10;

/** Bytes that a record needs at most. */
export function recordSize(entry: LayerEntry): number {
  let size = 64 + entry.path.length;
  if ("target" in entry) size += entry.target.length;
  if ("attributes" in entry) {
    for (const { name, value } of entry.attributes.xattrs) size += 4 + name.length + value.length;
  }
  return entry.kind === "sparse" ? size + 8 * entry.ranges.length : size;
}

/**
 * Writes one record. All numbers are little-endian; u48 is a whole number of 6 bytes.
 *
 *     record      u8 kind, plus 128 if hidden (only link, file, sparse, small), text path, then by kind:
 *       directory, fifo, socket     attributes
 *       symlink                     attributes, text target
 *       character, block            attributes, u32 major, u32 minor
 *       link                        text target
 *       whiteout, opaque            nothing
 *       file                        attributes, u48 size, u32 block
 *       sparse                      attributes, u48 size, u32 block, u8 log2 of the chunk size,
 *                                   u32 count of ranges, each: u32 first chunk, u32 count of chunks
 *       small                       u48 position, u32 bytes
 *     attributes  u16 permissions, u32 uid, u32 gid, s64 seconds, u32 nanoseconds,
 *                 u16 count of extended attributes, each: text name, text value
 *     text        u16 length, bytes
 *
 * @returns where the record ends.
 */
export function encodeEntry(target: Buffer, start: number, entry: LayerEntry): number {
  const hidden = "hidden" in entry && entry.hidden === true ? HIDDEN : 0;
  let at = target.writeUInt8(entryKinds.indexOf(entry.kind) + hidden, start);
  at = writeText(target, at, entry.path);
  if ("attributes" in entry) at = writeAttributes(target, at, entry.attributes);
  switch (entry.kind) {
    case "symlink":
    case "link":
      return writeText(target, at, entry.target);
    case "character":
    case "block":
      at = target.writeUInt32LE(entry.major, at);
      return target.writeUInt32LE(entry.minor, at);
    case "file":
    case "sparse":
      at = target.writeUIntLE(entry.size, at, 6);
      at = target.writeUInt32LE(entry.block, at);
      return entry.kind === "file" ? at : writeChunks(target, at, entry);
    case "small":
      return writePlace(target, at, entry.position, entry.bytes);
    default:
      return at;
  }
}

/** Writes the last fields of the record of a small file. */
export function writePlace(target: Buffer, at: number, position: number, bytes: number): number {
  return target.writeUInt32LE(bytes, target.writeUIntLE(position, at, 6));
}

function writeChunks(target: Buffer, start: number, entry: LayerEntry & { kind: "sparse" }): number {
  let at = target.writeUInt8(entry.chunkBits, start);
  at = target.writeUInt32LE(entry.ranges.length, at);
  for (const { first, count } of entry.ranges) {
    at = target.writeUInt32LE(first, at);
    at = target.writeUInt32LE(count, at);
  }
  return at;
}

function writeAttributes(target: Buffer, start: number, attributes: Attributes): number {
  let at = target.writeUInt16LE(attributes.permissions, start);
  at = target.writeUInt32LE(attributes.uid, at);
  at = target.writeUInt32LE(attributes.gid, at);
  at = target.writeBigInt64LE(BigInt(attributes.seconds), at);
  at = target.writeUInt32LE(attributes.nanoseconds, at);
  at = target.writeUInt16LE(attributes.xattrs.length, at);
  for (const { name, value } of attributes.xattrs) {
    at = writeText(target, at, name);
    at = target.writeUInt16LE(value.length, at);
    target.set(value, at);
    at += value.length;
  }
  return at;
}

function writeText(target: Buffer, start: number, text: string): number {
  const at = target.writeUInt16LE(text.length, start);
  return at + target.write(text, at, "latin1");
}
