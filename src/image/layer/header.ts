/**
 * The head of a layer's `.entries` file: 160 bytes, all numbers little-endian.
 *
 *       0   8  magic, "SMOLAYER"
 *       8   4  version of the format
 *      12   4  CRC-32 (IEEE) of the bytes 16 to 119
 *      16   8  entries of the layer, in the sense of limits.entries
 *      24   8  bytes of its files, in the sense of limits.totalBytes
 *      32   8  length of the `.data` file, a multiple of 4096
 *      40   8  length of the `.entries` file
 *      48   4  frames behind the head (see frames.ts)
 *      52   4  algorithm of the digest: 256 or 512
 *      56  64  digest, padded with zeros
 *     120  40  boot of the host in which the files were written, ASCII, padded with zeros; all zeros as soon as the
 *              files are known to be safe on disk. Outside of the checksum, because it is the one thing that changes.
 */

/** Changes whenever the same layer would give other files. */
export const LAYER_VERSION = 2;
export const HEADER_BYTES = 160;
export const BOOT_OFFSET = 120;
export const BOOT_BYTES = 40;

const MAGIC = "SMOLAYER";
const CHECKED = 16;

export interface LayerHeader {
  readonly diffId: string;
  readonly entries: number;
  readonly bytes: number;
  readonly dataBytes: number;
  readonly entriesBytes: number;
  readonly frames: number;
  readonly writtenInBoot: string;
}

export function encodeHeader(header: LayerHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC, 0, "latin1");
  bytes.writeUInt32LE(LAYER_VERSION, 8);
  bytes.writeBigUInt64LE(BigInt(header.entries), 16);
  bytes.writeBigUInt64LE(BigInt(header.bytes), 24);
  bytes.writeBigUInt64LE(BigInt(header.dataBytes), 32);
  bytes.writeBigUInt64LE(BigInt(header.entriesBytes), 40);
  bytes.writeUInt32LE(header.frames, 48);
  const [algorithm = "", hex = ""] = header.diffId.split(":");
  bytes.writeUInt32LE(Number(algorithm.slice(3)), 52);
  bytes.write(hex, 56, "hex");
  bytes.writeUInt32LE(Bun.hash.crc32(bytes.subarray(CHECKED, BOOT_OFFSET)), 12);
  bytes.write(header.writtenInBoot, BOOT_OFFSET, BOOT_BYTES, "latin1");
  return bytes;
}

/** @returns undefined for anything that `encodeHeader` would not write. */
export function decodeHeader(bytes: Buffer): LayerHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.toString("latin1", 0, 8) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(8) !== LAYER_VERSION) return undefined;
  if (bytes.readUInt32LE(12) !== Bun.hash.crc32(bytes.subarray(CHECKED, BOOT_OFFSET))) return undefined;
  const algorithm = bytes.readUInt32LE(52);
  if (algorithm !== 256 && algorithm !== 512) return undefined;
  return {
    diffId: `sha${algorithm}:${bytes.toString("hex", 56, 56 + algorithm / 8)}`,
    entries: Number(bytes.readBigUInt64LE(16)),
    bytes: Number(bytes.readBigUInt64LE(24)),
    dataBytes: Number(bytes.readBigUInt64LE(32)),
    entriesBytes: Number(bytes.readBigUInt64LE(40)),
    frames: bytes.readUInt32LE(48),
    writtenInBoot: bytes.toString("latin1", BOOT_OFFSET, HEADER_BYTES).replace(/\0+$/, ""),
  };
}
