import { MAX_PACKET, MAX_REASSEMBLIES, REASSEMBLY_MS } from "../limits.ts";
import { addressKey } from "../wire/address.ts";
import { addBytes, finishSum } from "../wire/checksum.ts";
import type { Packet } from "./packet.ts";

/** Parts of one packet, in order. */
interface Assembly {
  readonly deadline: number;
  /** Header and content of the packet as it will be. */
  readonly parts: { readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> }[];
  header: Uint8Array<ArrayBuffer> | undefined;
  /** Bytes that it carries; known from its last part. */
  total: number | undefined;
  have: number;
}

/**
 * Puts the fragments of IPv4 packets together (RFC 791, section 3.2), before anything looks into them: what is decided
 * about a packet is decided about all of it. Fragments that overlap are how one program is shown another packet than
 * the next (RFC 5722): with one of them the packet is lost.
 */
export class Reassembly {
  readonly #open = new Map<string, Assembly>();
  readonly #now: () => number;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @returns the whole packet, with its header, once its last missing part has come */
  add(packet: Packet): Uint8Array<ArrayBuffer> | undefined {
    const { bytes, start, end, fragmentOffset: offset } = packet;
    const key = `${packet.identification} ${packet.protocol} ${addressKey(bytes, packet.destination, 4)}`;
    const assembly = this.#assembly(key);
    if (assembly === undefined) return undefined;
    const length = end - start;
    const last = offset + length;
    // Only the last part may have a length that is no multiple of eight.
    const misfit = packet.moreFragments ? length % 8 !== 0 || length === 0 : false;
    if (misfit || last > MAX_PACKET - (start - packet.header) || !this.#fits(assembly, packet, last)) {
      this.#open.delete(key);
      return undefined;
    }
    if (offset === 0) assembly.header = new Uint8Array(bytes.subarray(packet.header, start));
    if (!packet.moreFragments) assembly.total = last;
    assembly.parts.push({ offset, bytes: new Uint8Array(bytes.subarray(start, end)) });
    assembly.have += length;
    if (assembly.header === undefined || assembly.have !== assembly.total) return undefined;
    this.#open.delete(key);
    return whole(assembly, assembly.header);
  }

  #assembly(key: string): Assembly | undefined {
    const now = this.#now();
    const found = this.#open.get(key);
    if (found !== undefined && found.deadline > now) return found;
    if (found !== undefined) this.#open.delete(key);
    // The oldest goes: it is the one that is likeliest never to be whole.
    if (this.#open.size >= MAX_REASSEMBLIES) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) this.#open.delete(oldest);
    }
    const assembly = {
      deadline: now + REASSEMBLY_MS,
      parts: [],
      header: undefined,
      total: undefined,
      have: 0,
    };
    this.#open.set(key, assembly);
    return assembly;
  }

  #fits(assembly: Assembly, packet: Packet, last: number): boolean {
    const first = packet.fragmentOffset;
    if (assembly.total !== undefined && (last > assembly.total || !packet.moreFragments)) return false;
    return assembly.parts.every(({ offset, bytes }) => {
      const end = offset + bytes.length;
      return (last <= offset || first >= end) && (packet.moreFragments || end <= last);
    });
  }
}

function whole({ parts, total = 0 }: Assembly, header: Uint8Array): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(header.length + total);
  packet.set(header);
  const view = new DataView(packet.buffer);
  view.setUint16(2, packet.length);
  // No part any more.
  view.setUint16(6, 0);
  view.setUint16(10, 0);
  view.setUint16(10, finishSum(addBytes(0, packet, 0, header.length)));
  for (const { offset, bytes } of parts) packet.set(bytes, header.length + offset);
  return packet;
}
