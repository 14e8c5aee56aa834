import { inflateRawSync } from "node:zlib";

/** Reads disk images of QEMU's format qcow2 (QEMU docs/interop/qcow2.rst), as far as published images use it. */

export interface Disk {
  /** Bytes. */
  readonly size: number;
  /** @throws Error when that is not within the disk. */
  read(offset: number, length: number): Buffer;
}

const MAGIC = 0x514649fb;
/** Bits 9 to 55 of entries of both tables: where a table or a cluster is in the file. */
const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const ZEROS = 1n;

/** @throws Error when it is none, or uses what is not read here: backing files, encryption, other compression. */
export function readQcow2(file: Buffer): Disk {
  const { clusterBits, size, level1 } = readHeader(file);
  const clusterSize = 2 ** clusterBits;
  const perTable = clusterSize / 8;
  const unpacked = new Map<number, Buffer>();

  const readCluster = (index: number): Buffer | undefined => {
    const table = Number(file.readBigUInt64BE(level1 + Math.floor(index / perTable) * 8) & OFFSET);
    if (table === 0) return undefined;
    const entry = file.readBigUInt64BE(table + (index % perTable) * 8);
    if (entry & COMPRESSED) return inflateCluster(file, entry, clusterBits);
    const offset = Number(entry & OFFSET);
    if (offset === 0 || entry & ZEROS) return undefined;
    return file.subarray(offset, offset + clusterSize);
  };
  const cluster = (index: number): Buffer => {
    const known = unpacked.get(index);
    if (known) return known;
    const bytes = readCluster(index) ?? Buffer.alloc(clusterSize);
    if (bytes.length !== clusterSize) throw new Error("the qcow2 image is cut off");
    unpacked.set(index, bytes);
    return bytes;
  };
  return {
    size,
    read(offset, length) {
      if (offset < 0 || length < 0 || offset + length > size) throw new Error("reading beyond the disk");
      const pieces: Buffer[] = [];
      for (let at = offset; at < offset + length; ) {
        const within = at % clusterSize;
        const count = Math.min(clusterSize - within, offset + length - at);
        pieces.push(cluster(Math.floor(at / clusterSize)).subarray(within, within + count));
        at += count;
      }
      return Buffer.concat(pieces);
    },
  };
}

function readHeader(file: Buffer) {
  if (file.length < 104 || file.readUInt32BE(0) !== MAGIC) throw new Error("not a qcow2 image");
  const version = file.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw new Error(`qcow2 version ${version} is not known`);
  const refuse = (what: string) => new Error(`the qcow2 image ${what}: that is not read here`);
  if (file.readBigUInt64BE(8) !== 0n) throw refuse("has a backing file");
  if (file.readUInt32BE(32) !== 0) throw refuse("is encrypted");
  if (version === 3 && file.readBigUInt64BE(72) !== 0n) throw refuse("has incompatible features");
  const clusterBits = file.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) throw refuse("has clusters of an impossible size");
  const size = Number(file.readBigUInt64BE(24));
  const entries = file.readUInt32BE(36);
  if (entries < Math.ceil(size / 2 ** (2 * clusterBits - 3))) throw refuse("has too short a table");
  return { clusterBits, size, level1: Number(file.readBigUInt64BE(40)) };
}

/** A compressed cluster's entry holds its offset and, in the bits above, its further sectors of 512 bytes. */
function inflateCluster(file: Buffer, entry: bigint, clusterBits: number): Buffer {
  const offsetBits = BigInt(62 - (clusterBits - 8));
  const offset = Number(entry & ((1n << offsetBits) - 1n));
  const sectors = Number((entry & (COMPRESSED - 1n)) >> offsetBits) + 1;
  const packed = file.subarray(offset, offset - (offset % 512) + sectors * 512);
  // What follows the deflate stream in its last sector belongs to other clusters.
  return inflateRawSync(packed, { maxOutputLength: 2 ** clusterBits });
}
