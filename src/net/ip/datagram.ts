import { ETHERNET_HEADER, MAX_PACKET, MTU } from "../limits.ts";
import type { Output } from "../link/output.ts";
import type { Path } from "./path.ts";

/** Bytes of ports, length and checksum (RFC 768). */
export const UDP_HEADER = 8;

/**
 * Sends a UDP datagram to the guest (RFC 768). What there is no room for is lost, as it may be. IPv4 has datagrams that
 * are 15 bytes larger than our MTU: those go in two fragments.
 */
export function sendDatagram(
  output: Output,
  path: Path,
  remotePort: number,
  guestPort: number,
  data: Uint8Array,
): void {
  if (!output.hasRoom || data.length > MAX_PACKET - UDP_HEADER - (path.headerLength - ETHERNET_HEADER))
    return;
  const at = output.begin();
  if (at < 0) return;
  const size = UDP_HEADER + data.length;
  const udp = at + path.headerLength;
  const { view } = output;
  path.write(output, at, size);
  view.setUint16(udp, remotePort);
  view.setUint16(udp + 2, guestPort);
  view.setUint16(udp + 4, size);
  view.setUint16(udp + 6, 0);
  output.bytes.set(data, udp + UDP_HEADER);
  // 0 would mean that there is none.
  view.setUint16(udp + 6, path.checksum(output, udp, udp + size) || 0xffff);
  const ipSize = path.headerLength - ETHERNET_HEADER + size;
  if (ipSize <= MTU) output.commit(path.headerLength + size);
  else sendFragments(output, path, at, size);
}

const MORE_FRAGMENTS = 0x2000;
let identification = 0;

/** What has been written as one packet goes out as two. */
function sendFragments(output: Output, path: Path, at: number, size: number): void {
  if (path.version === 6) return;
  const first = Math.floor((MTU - 20) / 8) * 8;
  const rest = output.bytes.slice(at + path.headerLength + first, at + path.headerLength + size);
  identification = (identification + 1) & 0xffff;
  path.write(output, at, first, { identification, flags: MORE_FRAGMENTS });
  output.commit(path.headerLength + first);
  const next = output.begin();
  if (next < 0) return;
  path.write(output, next, rest.length, { identification, flags: first / 8 });
  output.bytes.set(rest, next + path.headerLength);
  output.commit(path.headerLength + rest.length);
}
