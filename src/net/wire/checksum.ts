/**
 * The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words.
 *
 * Words are read in the host's order, which is little endian wherever we run: the sum is the same but for the order of
 * its two bytes (section 2 (B)), and `finishSum` swaps them.
 */

/** Bytes whose checksums are taken often, also as the numbers that are fastest to add. */
export class Words {
  readonly #shorts: Uint16Array;
  readonly #words: Int32Array;

  /** @param size a multiple of four */
  constructor(buffer: ArrayBuffer) {
    this.#shorts = new Uint16Array(buffer);
    this.#words = new Int32Array(buffer);
  }

  /**
   * Adds bytes, at most 64 KiB and a header.
   *
   * @param sum of what was added before, an even number of bytes
   */
  add(sum: number, start: number, end: number): number {
    if ((start & 1) === 0) return sum + this.#addEven(start, end);
    if (start === end) return sum;
    // At odd places each byte is on the other half of a word: so is the sum (section 2 (B) again).
    const first = (this.#shorts[start >> 1] as number) & 0xff00;
    const other = fold(first + this.#addEven(start + 1, end));
    return sum + (((other & 0xff) << 8) | (other >>> 8));
  }

  #addEven(start: number, end: number): number {
    const shorts = this.#shorts;
    let at = start;
    let one = 0;
    let two = 0;
    if ((at & 2) !== 0 && at + 2 <= end) {
      one = shorts[at >> 1] as number;
      at += 2;
    }
    const words = this.#words;
    let index = at >> 2;
    // Eight bytes a turn, in two halves each: so many fit into 31 bits, which are faster than more.
    for (const last = (end >> 2) - 1; index < last; index += 2) {
      const first = words[index] as number;
      const second = words[index + 1] as number;
      one = (one + (first & 0xffff) + (first >>> 16)) | 0;
      two = (two + (second & 0xffff) + (second >>> 16)) | 0;
    }
    for (at = Math.max(at, index << 2); at + 1 < end; at += 2) one += shorts[at >> 1] as number;
    if (at < end) one += (shorts[at >> 1] as number) & 0xff;
    return one + two;
  }
}

/** The same for a few bytes anywhere. */
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
