import type { Packet } from "../ip/packet.ts";
import type { Path } from "../ip/path.ts";
import type { Output } from "../link/output.ts";
import { short, word } from "../wire/address.ts";

export const Flag = { fin: 1, syn: 2, reset: 4, push: 8, ack: 16 } as const;

/** Bytes of a header without options. */
export const TCP_HEADER = 20;
/** What a peer takes that names no size (RFC 9293, section 3.7.1). */
const DEFAULT_MSS = { 4: 536, 6: 1220 } as const;
const MAX_SCALE = 14;

/** A TCP segment of the guest's. One object for all: keep nothing of it. */
export class Segment {
  guestPort = 0;
  remotePort = 0;
  sequence = 0;
  acknowledged = 0;
  flags = 0;
  window = 0;
  /** Of a SYN: the largest segment that the guest takes, and its window scale; undefined: it offers none. */
  mss = 0;
  scale: number | undefined;
  /** Its data. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  /** How much sequence it takes. */
  get length(): number {
    return this.end - this.start + (this.has(Flag.syn) ? 1 : 0) + (this.has(Flag.fin) ? 1 : 0);
  }

  /**
   * Reads a header (RFC 9293, section 3.1). The checksum is not looked at: the wire is the memory of one host, and a VMM
   * whose card offloads checksums leaves the field to whoever is behind it.
   *
   * @returns false: drop it
   */
  read(packet: Packet): boolean {
    const { bytes, start, end } = packet;
    if (end - start < TCP_HEADER) return false;
    const headerLength = ((bytes[start + 12] as number) >>> 4) * 4;
    if (headerLength < TCP_HEADER || start + headerLength > end) return false;
    this.guestPort = short(bytes, start);
    this.remotePort = short(bytes, start + 2);
    this.sequence = word(bytes, start + 4);
    this.acknowledged = word(bytes, start + 8);
    this.flags = bytes[start + 13] as number;
    this.window = short(bytes, start + 14);
    this.bytes = bytes;
    this.start = start + headerLength;
    this.end = end;
    this.mss = DEFAULT_MSS[packet.version];
    this.scale = undefined;
    if (this.has(Flag.syn)) this.#readOptions(bytes, start + TCP_HEADER, this.start);
    return this.guestPort !== 0 && this.remotePort !== 0;
  }

  #readOptions(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      const kind = bytes[at] as number;
      if (kind === 0) return;
      const length = kind === 1 ? 1 : at + 1 < end ? (bytes[at + 1] as number) : 0;
      if (length === 0 || (kind !== 1 && length < 2) || at + length > end) return;
      // Below 64 no segment would carry anything; RFC 9293 lets us take what we want from 0 up.
      if (kind === 2 && length === 4) this.mss = Math.max(64, short(bytes, at + 2));
      if (kind === 3 && length === 3) this.scale = Math.min(MAX_SCALE, bytes[at + 2] as number);
      at += length;
    }
  }
}

/** What a segment to the guest says. */
export interface SegmentHeader {
  readonly remotePort: number;
  readonly guestPort: number;
  readonly sequence: number;
  readonly acknowledged: number;
  readonly flags: number;
  /** As it is on the wire, scaled. */
  readonly window: number;
}

/**
 * Begins a segment to the guest: everything but its data and checksum.
 *
 * @param at the frame's place in the output
 * @param size bytes of options and data
 * @returns where options and data begin
 */
export function writeHeader(
  output: Output,
  at: number,
  path: Path,
  header: SegmentHeader,
  size: number,
  options = 0,
): number {
  path.write(output, at, TCP_HEADER + size);
  const { view } = output;
  const tcp = at + path.headerLength;
  view.setUint16(tcp, header.remotePort);
  view.setUint16(tcp + 2, header.guestPort);
  view.setUint32(tcp + 4, header.sequence);
  view.setUint32(tcp + 8, header.acknowledged);
  view.setUint16(tcp + 12, ((TCP_HEADER + options) << 10) | header.flags);
  view.setUint16(tcp + 14, header.window);
  view.setUint32(tcp + 16, 0);
  return tcp + TCP_HEADER;
}

/** Ends a segment: checksum, and off it goes. @param size as for `writeHeader` */
export function sendSegment(output: Output, at: number, path: Path, size: number): void {
  const tcp = at + path.headerLength;
  const end = tcp + TCP_HEADER + size;
  output.view.setUint16(tcp + 16, path.checksum(output, tcp, end));
  output.commit(end - at);
}

/** A segment without data. @param options their bytes, a multiple of four */
export function sendBare(
  output: Output,
  path: Path,
  header: SegmentHeader,
  options: readonly number[] = [],
): void {
  const at = output.begin();
  if (at < 0) return;
  const behind = writeHeader(output, at, path, header, options.length, options.length);
  output.bytes.set(options, behind);
  sendSegment(output, at, path, options.length);
}
