/**
 * The index of a pack: of which chunks each blob is made, and where these are in the section `chunks`. A chunk is at
 * most a few megabytes of a blob, compressed by itself, so that any part of a blob can be read alone; one that comes
 * twice is stored once, and one of zeros not at all.
 *
 *     blob    SHA-256 of the list of its chunks (32), u64 bytes, u32 chunks, u32 zero
 *     chunk   u64 position in `chunks`, u32 bytes as stored, u32 bytes, SHA-256 of the bytes (32),
 *             SHA-256 as stored (32)
 *
 * Blobs come one after the other, each followed by its chunks. A chunk without stored bytes is all zeros; both of its
 * digests are those of what they name, an empty text included. A blob's digest is the SHA-256 of, for each of its
 * chunks, u32 bytes and SHA-256 of the bytes: it says what the blob is, however it was compressed.
 */
import { beyond, damaged } from "./failure.ts";
import { limits } from "./limits.ts";

const BLOB_BYTES = 48;
const CHUNK_BYTES = 80;

/** The writer's chunks: 1 % larger in all than chunks of 4 MiB, and a quarter of their memory. */
export const CHUNK = 1024 * 1024;

/** A part of a blob. */
export interface Chunk {
  /** In the section `chunks`. */
  readonly position: number;
  /** As stored: a zstd frame; 0: the chunk is zeros. */
  readonly storedBytes: number;
  readonly bytes: number;
  /** SHA-256 of the bytes, hex. */
  readonly digest: string;
  /** SHA-256 as stored, hex. */
  readonly storedDigest: string;
}

/** What a pack carries under a digest: a part of a layer, a disk. */
export interface Blob {
  /** `sha256:<hex>`, of the list of chunks. */
  readonly digest: string;
  readonly bytes: number;
  readonly chunks: readonly Chunk[];
}

/** What identifies a blob: see above. */
export function blobDigest(chunks: readonly Pick<Chunk, "bytes" | "digest">[]): string {
  const hasher = new Bun.CryptoHasher("sha256");
  const record = Buffer.alloc(36);
  for (const { bytes, digest } of chunks) {
    record.writeUInt32LE(bytes, 0);
    record.write(digest, 4, "hex");
    hasher.update(record);
  }
  return `sha256:${hasher.digest("hex")}`;
}

export function encodeIndex(blobs: readonly Blob[]): Buffer {
  return Buffer.concat(blobs.flatMap((blob) => [encodeBlob(blob), ...blob.chunks.map(encodeChunk)]));
}

function encodeBlob({ digest, bytes, chunks }: Blob): Buffer {
  const record = Buffer.alloc(BLOB_BYTES);
  record.write(digest.slice("sha256:".length), 0, "hex");
  record.writeBigUInt64LE(BigInt(bytes), 32);
  record.writeUInt32LE(chunks.length, 40);
  return record;
}

function encodeChunk({ position, storedBytes, bytes, digest, storedDigest }: Chunk): Buffer {
  const record = Buffer.alloc(CHUNK_BYTES);
  record.writeBigUInt64LE(BigInt(position), 0);
  record.writeUInt32LE(storedBytes, 8);
  record.writeUInt32LE(bytes, 12);
  record.write(digest, 16, "hex");
  record.write(storedDigest, 48, "hex");
  return record;
}

/**
 * Reads an index, and checks all that it says about itself: lengths, digests of blobs, and that the chunks fill their
 * section without gaps.
 *
 * @param bytes which have the digest that the section table promises
 * @param sectionBytes length of the section `chunks`
 * @throws SmolError `pack.damaged`, `pack.limit`
 */
export function decodeIndex(bytes: Buffer, sectionBytes: number): Map<string, Blob> {
  const blobs = new Map<string, Blob>();
  let chunks = 0;
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < BLOB_BYTES) throw damaged("the index");
    const count = bytes.readUInt32LE(at + 40);
    const end = at + BLOB_BYTES + count * CHUNK_BYTES;
    if (end > bytes.length) throw damaged("the index");
    chunks += count;
    if (chunks > limits.chunks) throw beyond(`more than ${limits.chunks} chunks`);
    if (blobs.size >= limits.blobs) throw beyond(`more than ${limits.blobs} blobs`);
    const blob = decodeBlob(bytes.subarray(at, end), sectionBytes);
    if (blobs.has(blob.digest)) throw damaged("the index");
    blobs.set(blob.digest, blob);
    at = end;
  }
  checkPlaces(blobs.values(), sectionBytes);
  return blobs;
}

function decodeBlob(bytes: Buffer, sectionBytes: number): Blob {
  const chunks: Chunk[] = [];
  let sum = 0;
  for (let at = BLOB_BYTES; at < bytes.length; at += CHUNK_BYTES) {
    const chunk = decodeChunk(bytes.subarray(at, at + CHUNK_BYTES));
    if (chunk.position + chunk.storedBytes > sectionBytes) throw damaged("the index");
    sum += chunk.bytes;
    chunks.push(chunk);
  }
  const digest = `sha256:${bytes.toString("hex", 0, 32)}`;
  const isRight = bytes.readBigUInt64LE(32) === BigInt(sum) && bytes.readUInt32LE(44) === 0;
  if (!isRight || blobDigest(chunks) !== digest) throw damaged("the index");
  return { digest, bytes: sum, chunks };
}

function decodeChunk(record: Buffer): Chunk {
  const position = record.readBigUInt64LE(0);
  const chunk = {
    position: Number(position),
    storedBytes: record.readUInt32LE(8),
    bytes: record.readUInt32LE(12),
    digest: record.toString("hex", 16, 48),
    storedDigest: record.toString("hex", 48, 80),
  };
  if (position > BigInt(Number.MAX_SAFE_INTEGER) || chunk.bytes === 0) throw damaged("the index");
  if (chunk.bytes > limits.chunkBytes || chunk.storedBytes > 2 * limits.chunkBytes) {
    throw beyond(`a chunk of more than ${limits.chunkBytes} bytes`);
  }
  return chunk;
}

/** No byte of the section is nobody's, and none is part of two chunks that are not the same. */
function checkPlaces(blobs: Iterable<Blob>, sectionBytes: number): void {
  const stored = [...blobs].flatMap(({ chunks }) => chunks.filter(({ storedBytes }) => storedBytes > 0));
  stored.sort((a, b) => a.position - b.position);
  let [start, end] = [-1, 0];
  for (const { position, storedBytes } of stored) {
    const isSame = position === start && position + storedBytes === end;
    if (isSame) continue;
    if (position !== end) throw damaged("the index");
    [start, end] = [position, position + storedBytes];
  }
  if (end !== sectionBytes) throw damaged("the index");
}
