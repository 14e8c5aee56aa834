import { SmolError } from "../../errors.ts";

export type Compression = "none" | "gzip" | "zstd";

/** So many bytes tell how a stream is compressed. */
export const MAGIC_BYTES = 10;

/**
 * Tells how a stream is compressed by its first `MAGIC_BYTES` (RFC 1952; RFC 8878, which lets a stream begin with
 * skippable frames). Anything else is taken for plain.
 */
export function detectCompression(start: Uint8Array): Compression {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  return "none";
}

/** Formats of which there is no decoder here: their first bytes in hex, and the program that decompresses them. */
const others: readonly (readonly [magic: RegExp, program: string])[] = [
  // More than the magic bytes, which could be the name of a tar's first file: flags and a part of their checksum.
  [/^fd377a585a00000[0-9a-f](?!0000)/, "xz"],
  // Likewise: the beginning of a block, or the end of an empty stream.
  [/^425a683[1-9](?:314159265359|177245385090)/, "bzip2"],
  [/^4c5a495001/, "lzip"],
  [/^04224d18/, "lz4"],
];

/**
 * Refuses what is compressed in a way that is not read here.
 *
 * @param start the first `MAGIC_BYTES`.
 * @param what is being read: a layer, or a file, by its name.
 * @throws SmolError `image.unsupported_compression`
 */
export function refuseOtherCompression(start: Uint8Array, what: string): void {
  const hex = Buffer.from(start.subarray(0, MAGIC_BYTES)).toString("hex");
  const program = others.find(([magic]) => magic.test(hex))?.[1];
  if (program === undefined) return;
  const hint =
    what === LAYER
      ? "skopeo copy docker-archive:IN.tar docker-archive:OUT.tar writes the image with plain layers"
      : `decompress it first, with ${program} -dc`;
  const problem = `${what} is compressed with ${program}; what can be read is plain, gzip and zstd`;
  throw new SmolError("image.unsupported_compression", problem, { hint });
}

/** What is being read, where nothing has a name. */
export const LAYER = "a layer";
