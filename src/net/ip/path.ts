import { ETHERNET_HEADER } from "../limits.ts";
import type { Output } from "../link/output.ts";
import type { AddressBytes } from "../wire/address.ts";
import { addBytes, finishSum, littleWord } from "../wire/checksum.ts";
import { EtherType, ethernetHeader } from "../wire/ethernet.ts";

const DONT_FRAGMENT = 0x4000;
const HOPS = 64;

/**
 * The way from an address to the guest for one protocol: everything of the Ethernet and IP headers that stays the same,
 * made once for a flow.
 */
export class Path {
  readonly version: 4 | 6;
  /** Of both headers together. */
  readonly headerLength: number;
  readonly #template: Uint8Array<ArrayBuffer>;
  /** Of the IPv4 header without its length. */
  readonly #headerSum: number;
  /** Of the pseudo header without the length (RFC 9293, RFC 8200 section 8.1). */
  readonly #pseudoSum: number;

  /** @param from what the guest sees as the sender; both addresses are of the same version */
  constructor(from: AddressBytes, to: AddressBytes, protocol: number) {
    const v4 = from.length === 4;
    this.version = v4 ? 4 : 6;
    const ip = v4 ? ipv4Header(from, to, protocol) : ipv6Header(from, to, protocol);
    this.headerLength = ETHERNET_HEADER + ip.length;
    this.#template = new Uint8Array(this.headerLength);
    this.#template.set(ethernetHeader(v4 ? EtherType.ipv4 : EtherType.ipv6));
    this.#template.set(ip, ETHERNET_HEADER);
    this.#headerSum = v4 ? sumOf(ip) : 0;
    this.#pseudoSum = sumOf(from) + sumOf(to) + littleWord(protocol);
  }

  /**
   * Writes both headers of a packet.
   *
   * @param at where the frame begins
   * @param length bytes that follow the headers
   * @param fragment of IPv4, when it is one: its second and third words
   */
  write(
    output: Output,
    at: number,
    length: number,
    fragment?: { readonly identification: number; readonly flags: number },
  ): void {
    output.bytes.set(this.#template, at);
    const ip = at + ETHERNET_HEADER;
    if (this.version === 6) {
      output.view.setUint16(ip + 4, length);
      return;
    }
    const total = length + 20;
    output.view.setUint16(ip + 2, total);
    let sum = this.#headerSum + littleWord(total);
    if (fragment !== undefined) {
      output.view.setUint16(ip + 4, fragment.identification);
      output.view.setUint16(ip + 6, fragment.flags);
      sum += littleWord(fragment.identification) + littleWord(fragment.flags) - littleWord(DONT_FRAGMENT);
    }
    output.view.setUint16(ip + 10, finishSum(sum));
  }

  /** The checksum of what a packet carries, whose own field is zero still; for TCP, UDP and ICMPv6. */
  checksum(output: Output, start: number, end: number): number {
    return finishSum(output.memory.add(this.#pseudoSum + littleWord(end - start), start, end));
  }
}

function sumOf(bytes: Uint8Array): number {
  return addBytes(0, bytes, 0, bytes.length);
}

function ipv4Header(from: AddressBytes, to: AddressBytes, protocol: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  header[0] = 0x45;
  view.setUint16(6, DONT_FRAGMENT);
  header[8] = HOPS;
  header[9] = protocol;
  header.set(from, 12);
  header.set(to, 16);
  return header;
}

function ipv6Header(from: AddressBytes, to: AddressBytes, protocol: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(40);
  header[0] = 0x60;
  header[6] = protocol;
  header[7] = HOPS;
  header.set(from, 8);
  header.set(to, 24);
  return header;
}
