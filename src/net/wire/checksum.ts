/**
 * The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words.
 *
 * Words are read in the host's order, which is little endian wherever we run: the sum is the same but for the order of
 * its two bytes (section 2 (B)), and `finishSum` swaps them.
 */

/**
 * Adds a few bytes, wherever they are. (`SummedMemory` is for whole frames.)
 *
 * @param sum of what was added before, an even number of bytes
 */
export function addBytes(sum: number, bytes: Uint8Array, start: number, end: number): number {
  let total = sum;
  let at = start;
  for (; at + 1 < end; at += 2) total += (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return at < end ? total + (bytes[at] as number) : total;
}

/** The checksum of what was added, as a big endian number. */
export function finishSum(sum: number): number {
  const folded = fold(sum);
  const swapped = ((folded & 0xff) << 8) | (folded >>> 8);
  return ~swapped & 0xffff;
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = Math.floor(folded / 0x10000) + (folded & 0xffff);
  return folded;
}

/** A big endian 16-bit number, as it is added. */
export function littleWord(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}

/** Whether bytes that include their own checksum are as they were sent. */
export function isIntact(bytes: Uint8Array, start: number, end: number): boolean {
  return finishSum(addBytes(0, bytes, start, end)) === 0;
}
