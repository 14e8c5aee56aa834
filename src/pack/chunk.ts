import { promisify } from "node:util";
import { zstdDecompress } from "node:zlib";
import type { Chunk } from "./chunk-index.ts";
import { damaged } from "./failure.ts";
import { isZero, sha256, zeroDigest } from "./zeros.ts";

/**
 * Makes a chunk out of bytes; where its stored bytes go is not decided yet.
 *
 * @param level of zstd. The same bytes and level give the same frame, whichever thread makes it.
 * @returns `frame` undefined for bytes that are all zeros
 */
export async function makeChunk(bytes: Buffer, level: number): Promise<MadeChunk> {
  if (isZero(bytes)) {
    const digest = zeroDigest(bytes.length);
    return { bytes: bytes.length, digest, storedBytes: 0, storedDigest: sha256(""), frame: undefined };
  }
  const [digest, frame] = await Promise.all([threadedSha256(bytes), Bun.zstdCompress(bytes, { level })]);
  const storedDigest = await threadedSha256(frame);
  return { bytes: bytes.length, digest, storedBytes: frame.length, storedDigest, frame };
}

/** Hex. On a thread of the runtime, beside compression: hashing takes as long as compressing. */
async function threadedSha256(bytes: Uint8Array): Promise<string> {
  // Neither files nor frames are read into shared memory, which is what the type allows besides.
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)).toString("hex");
}

export type MadeChunk = Omit<Chunk, "position"> & { readonly frame: Uint8Array | undefined };

/**
 * Reads a chunk: its stored bytes are verified before the decompressor sees them, and what comes out of it again.
 *
 * @param read bytes of the section `chunks`
 * @returns undefined for zeros
 * @throws SmolError `pack.damaged`
 */
export async function readChunk(
  chunk: Chunk,
  read: (position: number, bytes: number) => Promise<Buffer>,
): Promise<Buffer | undefined> {
  if (chunk.storedBytes === 0) {
    if (chunk.digest !== zeroDigest(chunk.bytes)) throw damaged("the index");
    return undefined;
  }
  const frame = await read(chunk.position, chunk.storedBytes);
  if (sha256(frame) !== chunk.storedDigest) throw damaged("a part of its contents");
  const bytes = await decompress(frame, chunk.bytes);
  if (bytes.length !== chunk.bytes || sha256(bytes) !== chunk.digest) throw damaged("a part of its contents");
  return bytes;
}

/**
 * As much memory is taken as the frame says that it needs: it has to say what the index does. Behind it there may be
 * another frame of any size, for which `Bun.zstdDecompress` knows no limit.
 */
async function decompress(frame: Buffer, bytes: number): Promise<Buffer> {
  if (contentSize(frame) !== bytes) throw damaged("a part of its contents");
  try {
    return await promisify(zstdDecompress)(frame, { maxOutputLength: bytes, chunkSize: Math.max(bytes, 64) });
  } catch (error) {
    throw damaged("a part of its contents", error);
  }
}

const MAGIC = 0xfd2fb528;

/** Frame_Content_Size of a zstd frame (RFC 8878, section 3.1.1.1); undefined when it has none, or is no frame. */
function contentSize(frame: Buffer): number | undefined {
  if (frame.length < 18 || frame.readUInt32LE(0) !== MAGIC) return undefined;
  const descriptor = frame[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? frame[at] : undefined;
    case 1:
      return frame.readUInt16LE(at) + 256;
    case 2:
      return frame.readUInt32LE(at);
    default:
      return frame.readUIntLE(at, 6) + (frame.readUInt16LE(at + 6) === 0 ? 0 : Number.MAX_SAFE_INTEGER);
  }
}
