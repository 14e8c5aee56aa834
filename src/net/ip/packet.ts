import { short } from "../wire/address.ts";
import { isIntact } from "../wire/checksum.ts";

export const Protocol = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

/** Each flow keeps its quote: the longest header of IPv4 has 60 bytes, but extension headers of IPv6 up to 64 KiB. */
const MAX_QUOTE = 128;

/** An IP packet in a buffer. There is one object for all, filled anew for each packet: keep nothing of it. */
export class Packet {
  bytes: Uint8Array = new Uint8Array(0);
  version: 4 | 6 = 4;
  /** Where the IP header begins. */
  header = 0;
  /** Where the addresses are, and how long each is. */
  source = 0;
  destination = 0;
  addressLength: 4 | 16 = 4;
  /** Of what follows the headers; see `Protocol`. */
  protocol = 0;
  /** What the packet carries. */
  start = 0;
  end = 0;
  /** Bytes before which this part belongs, and whether others follow; 0 and false for a whole packet. */
  fragmentOffset = 0;
  moreFragments = false;
  identification = 0;

  copyAddress(at: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.bytes.subarray(at, at + this.addressLength));
  }

  /** What an ICMP error quotes: the IP header and the first eight bytes behind it, or as much as is kept of that. */
  quote(): Uint8Array<ArrayBuffer> {
    const end = Math.min(this.start + 8, this.end, this.header + MAX_QUOTE);
    return new Uint8Array(this.bytes.subarray(this.header, end));
  }
}

const MORE_FRAGMENTS = 0x2000;
/** Loose and strict source routing (RFC 791): the guest does not choose which way its packets go. */
const SOURCE_ROUTES = new Set([131, 137]);

/**
 * Reads an IPv4 header (RFC 791).
 *
 * @param at where it begins; the frame ends at `end`, and may have padding
 * @returns false: drop it
 */
export function readIpv4(packet: Packet, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 20) return false;
  const first = bytes[at] as number;
  const headerLength = (first & 0xf) * 4;
  const length = short(bytes, at + 2);
  if (first >>> 4 !== 4 || headerLength < 20 || length < headerLength || length > end - at) return false;
  const flags = short(bytes, at + 6);
  packet.bytes = bytes;
  packet.version = 4;
  packet.header = at;
  packet.source = at + 12;
  packet.destination = at + 16;
  packet.addressLength = 4;
  packet.protocol = bytes[at + 9] as number;
  packet.start = at + headerLength;
  packet.end = at + length;
  packet.fragmentOffset = (flags & 0x1fff) * 8;
  packet.moreFragments = (flags & MORE_FRAGMENTS) !== 0;
  packet.identification = short(bytes, at + 4);
  if (headerLength > 20 && hasSourceRoute(bytes, at + 20, packet.start)) return false;
  return isIntact(bytes, at, packet.start);
}

function hasSourceRoute(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    const kind = bytes[at] as number;
    if (kind === 0) return false;
    if (SOURCE_ROUTES.has(kind)) return true;
    const length = kind === 1 ? 1 : at + 1 < end ? (bytes[at + 1] as number) : 0;
    // Malformed options might hide one.
    if (length === 0 || (kind !== 1 && length < 2)) return true;
    at += length;
  }
  return false;
}

const HOP_BY_HOP = 0;
const ROUTING = 43;
const DESTINATION_OPTIONS = 60;

/**
 * Reads an IPv6 header and those extension headers that say nothing to us (RFC 8200). Fragments and routing headers are
 * dropped: no sender needs the first with our MTU, and the second would let the guest choose the way.
 *
 * @returns false: drop it
 */
export function readIpv6(packet: Packet, bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 40 || (bytes[at] as number) >>> 4 !== 6) return false;
  const length = short(bytes, at + 4);
  if (length === 0 || length > end - at - 40) return false;
  const last = at + 40 + length;
  let next = bytes[at + 6] as number;
  let start = at + 40;
  while (next === HOP_BY_HOP || next === DESTINATION_OPTIONS) {
    if (last - start < 8) return false;
    next = bytes[start] as number;
    start += ((bytes[start + 1] as number) + 1) * 8;
    if (start > last) return false;
  }
  if (next === ROUTING) return false;
  packet.bytes = bytes;
  packet.version = 6;
  packet.header = at;
  packet.source = at + 8;
  packet.destination = at + 24;
  packet.addressLength = 16;
  packet.protocol = next;
  packet.start = start;
  packet.end = last;
  packet.fragmentOffset = 0;
  packet.moreFragments = false;
  packet.identification = 0;
  return true;
}
