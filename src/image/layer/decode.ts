import {
  BLOCK,
  BLOCK_BITS,
  EXTENDED_INODE,
  isStorable,
  MAX_CHUNK_BITS,
  MAX_CHUNKS,
  SLOT,
} from "../erofs/index.ts";
import { limits } from "../limits.ts";
import type { Attributes, ChunkRange, Xattr } from "../tree/index.ts";
import { entryKinds, HIDDEN, type LayerEntry } from "./entry.ts";

/** Something that this program would not have written: the disk did, or somebody else. */
export class DamagedEntries extends Error {}

const noXattrs: readonly Xattr[] = [];

/**
 * Reads the records of one frame (see encode.ts), and takes nothing that the recorder would not write: later on, all
 * values are used as they are.
 */
export class EntryDecoder {
  readonly #bytes: Buffer;
  readonly #dataBytes: number;
  #at = 0;

  /** @param dataBytes length of the layer's data, which no file may go beyond. */
  constructor(bytes: Buffer, dataBytes: number) {
    this.#bytes = bytes;
    this.#dataBytes = dataBytes;
  }

  get ended(): boolean {
    return this.#at === this.#bytes.length;
  }

  next(): LayerEntry {
    const number = this.#number(1);
    const entry = this.#entry(entryKinds[number & ~HIDDEN]);
    if ((number & HIDDEN) === 0) return entry;
    switch (entry.kind) {
      case "link":
      case "file":
      case "sparse":
      case "small":
        return { ...entry, hidden: true };
      default:
        throw new DamagedEntries(`a hidden entry of the kind ${entry.kind}`);
    }
  }

  #entry(kind: LayerEntry["kind"] | undefined): LayerEntry {
    const path = this.#path();
    switch (kind) {
      case "directory":
      case "fifo":
      case "socket":
        return { kind, path, attributes: this.#attributes() };
      case "symlink":
        return { kind, path, attributes: this.#attributes(), target: this.#path() };
      case "character":
      case "block":
        return this.#device(kind, path);
      case "link":
        return { kind, path, target: this.#path() };
      case "whiteout":
      case "opaque":
        return { kind, path };
      case "file":
        return this.#file(path);
      case "sparse":
        return this.#sparse(path);
      case "small":
        return this.#small(path);
      default:
        throw new DamagedEntries("an entry of an unknown kind");
    }
  }

  #device(kind: "character" | "block", path: string): LayerEntry {
    const attributes = this.#attributes();
    const [major, minor] = [this.#number(4), this.#number(4)];
    check(major <= 0xfff && minor <= 0xfffff, "a device number");
    return { kind, path, attributes, major, minor };
  }

  #file(path: string): LayerEntry {
    const attributes = this.#attributes();
    const size = this.#number(6);
    const block = this.#number(4);
    check(block * BLOCK + size <= this.#dataBytes, "the place of a file");
    return { kind: "file", path, attributes, size, block };
  }

  #sparse(path: string): LayerEntry {
    const attributes = this.#attributes();
    const size = this.#number(6);
    const block = this.#number(4);
    const chunkBits = this.#number(1);
    check(chunkBits >= BLOCK_BITS && chunkBits <= MAX_CHUNK_BITS, "the size of chunks");
    const chunks = Math.ceil(size / 2 ** chunkBits);
    check(size <= limits.fileBytes && chunks <= MAX_CHUNKS, "the size of a sparse file");
    const ranges: ChunkRange[] = [];
    let end = 0;
    let total = 0;
    for (let left = this.#number(4); left > 0; left--) {
      const [first, count] = [this.#number(4), this.#number(4)];
      check(first >= end && count > 0 && first + count <= chunks, "a chunk");
      end = first + count;
      total += count;
      ranges.push({ first, count });
    }
    check(block * BLOCK + total * 2 ** chunkBits <= this.#dataBytes, "the place of a sparse file");
    return { kind: "sparse", path, attributes, size, block, chunkBits, ranges };
  }

  #small(path: string): LayerEntry {
    const position = this.#number(6);
    const bytes = this.#number(4);
    check(bytes >= EXTENDED_INODE && position % SLOT === 0, "the place of an inode");
    check(
      (position % BLOCK) + bytes <= BLOCK && position + bytes <= this.#dataBytes,
      "the place of an inode",
    );
    return { kind: "small", path, position, bytes };
  }

  #attributes(): Attributes {
    const permissions = this.#number(2);
    check(permissions <= 0o7777, "permissions");
    const uid = this.#number(4);
    const gid = this.#number(4);
    const seconds = Number(this.#bytes.readBigInt64LE(this.#take(8)));
    const nanoseconds = this.#number(4);
    check(Number.isSafeInteger(seconds) && nanoseconds < 1_000_000_000, "a time");
    return { permissions, uid, gid, seconds, nanoseconds, xattrs: this.#xattrs() };
  }

  #xattrs(): readonly Xattr[] {
    const count = this.#number(2);
    if (count === 0) return noXattrs;
    check(count <= limits.xattrs, "extended attributes");
    const xattrs: Xattr[] = [];
    for (let left = count; left > 0; left--) {
      const name = this.#text();
      const size = this.#number(2);
      const at = this.#take(size);
      const xattr = { name, value: Buffer.from(this.#bytes.subarray(at, at + size)) };
      check(isStorable(xattr), "an extended attribute");
      xattrs.push(xattr);
    }
    const bytes = xattrs.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
    check(bytes <= limits.xattrBytes, "extended attributes");
    return xattrs;
  }

  #path(): string {
    const path = this.#text();
    check(path.length <= limits.pathBytes && !path.includes("\0"), "a path");
    return path;
  }

  #text(): string {
    const length = this.#number(2);
    const at = this.#take(length);
    return this.#bytes.toString("latin1", at, at + length);
  }

  #number(bytes: number): number {
    const at = this.#take(bytes);
    switch (bytes) {
      case 1:
        return this.#bytes[at] ?? 0;
      case 2:
        return this.#bytes.readUInt16LE(at);
      case 4:
        return this.#bytes.readUInt32LE(at);
      default:
        return this.#bytes.readUIntLE(at, bytes);
    }
  }

  #take(bytes: number): number {
    const at = this.#at;
    check(at + bytes <= this.#bytes.length, "the end of an entry");
    this.#at += bytes;
    return at;
  }
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new DamagedEntries(`${what} is not as it was written`);
}
