/** Addresses: bytes of a packet, text, and keys of maps. */
import { parseAddress as readAddress, formatAddress as textOf } from "../policy/address.ts";

/** 4 or 16 bytes. */
export type AddressBytes = Uint8Array;

/** `a.b.c.d`, or IPv6 as in RFC 5952. */
export function formatAddress(bytes: AddressBytes): string {
  const value = bytes.reduce<bigint>((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return textOf({ width: bytes.length === 4 ? 32 : 128, value });
}

/** @throws RangeError for what is no address in text */
export function parseAddress(text: string): AddressBytes {
  const address = readAddress(text);
  if (address === undefined) throw new RangeError(`not an address: ${text}`);
  const length = address.width / 8;
  return Uint8Array.from({ length }, (_, i) =>
    Number((address.value >> BigInt(8 * (length - 1 - i))) & 0xffn),
  );
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
