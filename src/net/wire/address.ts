/** Addresses: bytes of a packet, text, and keys of maps. */
import { isIPv4, isIPv6 } from "node:net";

/** 4 or 16 bytes. */
export type AddressBytes = Uint8Array;

/** `a.b.c.d`, or IPv6 as in RFC 5952. */
export function formatAddress(bytes: AddressBytes): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[2 * i] as number) << 8) | (bytes[2 * i + 1] as number),
  );
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; ) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = Math.max(end, start + 1);
  }
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(":");
  if (best.length < 2) return hex(groups);
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`;
}

/** @throws RangeError for what is no address in text */
export function parseAddress(text: string): AddressBytes {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) throw new RangeError(`not an address: ${text}`);
  // An IPv4 address at the end is the last two groups.
  const plain = text.replace(/[\d.]+\.[\d.]+$/, (quad) => {
    const [a = 0, b = 0, c = 0, d = 0] = quad.split(".").map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  });
  const [head = "", tail = ""] = plain.split("::");
  const groupsOf = (part: string) =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const front = groupsOf(head);
  const back = groupsOf(tail);
  const groups = [...front, ...Array<number>(8 - front.length - back.length).fill(0), ...back];
  return Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff]));
}

/** What a map is keyed by: cheaper than text, and made for each packet. */
export type AddressKey = number | string;

/** @param length 4 or 16 */
export function addressKey(bytes: Uint8Array, at: number, length: number): AddressKey {
  if (length === 4) return word(bytes, at);
  const half = (i: number) => ((bytes[at + i] as number) << 8) | (bytes[at + i + 1] as number);
  return String.fromCharCode(half(0), half(2), half(4), half(6), half(8), half(10), half(12), half(14));
}

/** Whether the bytes at a place of a packet are this address. */
export function addressIs(bytes: Uint8Array, at: number, address: AddressBytes): boolean {
  for (let i = 0; i < address.length; i++) if (bytes[at + i] !== address[i]) return false;
  return true;
}

/** 16 bits, big endian. */
export function short(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** 32 bits, big endian, from 0 to 2^32 - 1. */
export function word(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
