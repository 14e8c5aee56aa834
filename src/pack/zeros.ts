import { limits } from "./limits.ts";

const zeros = Buffer.alloc(limits.chunkBytes);
const digests = new Map<number, string>();

/** Whether there is nothing but zeros in at most `limits.chunkBytes` bytes. */
export const isZero = (bytes: Buffer): boolean => bytes.equals(zeros.subarray(0, bytes.length));

/** SHA-256 of so many zeros, hex. */
export function zeroDigest(bytes: number): string {
  const known = digests.get(bytes);
  if (known !== undefined) return known;
  const digest = sha256(zeros.subarray(0, bytes));
  digests.set(bytes, digest);
  return digest;
}

/** SHA-256, hex. */
export const sha256 = (bytes: Uint8Array | string): string =>
  new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
