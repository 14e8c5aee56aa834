export type Compression = "none" | "gzip" | "zstd";

/**
 * Tells how a stream is compressed by its first bytes, of which 4 are enough (RFC 1952; RFC 8878, which lets a stream
 * begin with skippable frames). Anything else is taken for plain.
 */
export function detectCompression(start: Uint8Array): Compression {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  return "none";
}
