import { Protocol } from "../ip/packet.ts";
import { Path } from "../ip/path.ts";
import { ETHERNET_HEADER, MTU } from "../limits.ts";
import type { Output } from "../link/output.ts";
import { finishSum } from "../wire/checksum.ts";

/** Why a packet went nowhere. */
export type Unreachable = "host" | "port" | "prohibited";
export const Unreachable = { host: "host", port: "port", prohibited: "prohibited" } as const;

/** Type and code of "destination unreachable": RFC 792 and RFC 1812 for IPv4, RFC 4443 for IPv6. */
const CODES = {
  4: { type: 3, host: 1, port: 3, prohibited: 13 },
  6: { type: 1, host: 3, port: 4, prohibited: 1 },
} as const;

const ICMP_HEADER = 8;

/**
 * Tells the guest that a packet of its was not delivered. It comes from the packet's destination: no other router is
 * worth an address.
 *
 * @param quote the packet's IP header, and eight bytes or more behind it
 */
export function sendUnreachable(output: Output, quote: Uint8Array, why: Unreachable): void {
  const version = (quote[0] as number) >>> 4 === 6 ? 6 : 4;
  const [source, destination] =
    version === 4 ? [quote.slice(12, 16), quote.slice(16, 20)] : [quote.slice(8, 24), quote.slice(24, 40)];
  const path = new Path(destination, source, version === 4 ? Protocol.icmp : Protocol.icmp6);
  const { type } = CODES[version];
  sendIcmp(output, path, [type, CODES[version][why], 0, 0, 0, 0, 0, 0], quote);
}

/** What is larger than the guest's MTU is lost. @param header eight bytes, with a checksum of zero */
export function sendIcmp(
  output: Output,
  path: Path,
  header: readonly number[] | Uint8Array,
  data: Uint8Array,
): void {
  const size = ICMP_HEADER + data.length;
  if (path.headerLength - ETHERNET_HEADER + size > MTU) return;
  const at = output.begin();
  if (at < 0) return;
  path.write(output, at, size);
  const icmp = at + path.headerLength;
  output.bytes.set(header, icmp);
  output.bytes.set(data, icmp + ICMP_HEADER);
  const { view } = output;
  // Only ICMPv6 has a pseudo header.
  const checksum =
    path.version === 4
      ? finishSum(output.memory.add(0, icmp, icmp + size))
      : path.checksum(output, icmp, icmp + size);
  view.setUint16(icmp + 2, checksum);
  output.commit(path.headerLength + size);
}
