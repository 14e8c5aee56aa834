import { type Packet, Protocol } from "../ip/packet.ts";
import { word } from "../wire/address.ts";

/** Of ICMP (RFC 792). */
const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const ECHO = 8;
const ICMP_HEADER = 8;

/**
 * Whether a packet of IPv4 may go from one member of a named network to another: TCP, UDP, echoes, and the news that one
 * of those did not arrive. All else of ICMP changes what a kernel thinks of its network, and is not for a neighbour to
 * say; the same goes for news about packets that were not for this neighbour.
 */
export function passesBetweenMembers(packet: Packet): boolean {
  const { bytes, start, end, protocol } = packet;
  if (protocol === Protocol.tcp) return end - start >= 20;
  if (protocol === Protocol.udp) return end - start >= 8;
  if (protocol !== Protocol.icmp || end - start < ICMP_HEADER) return false;
  const type = bytes[start];
  if (type === ECHO || type === ECHO_REPLY) return true;
  const quoted = start + ICMP_HEADER;
  if (type !== UNREACHABLE || end - quoted < 20) return false;
  return (
    word(bytes, quoted + 12) === word(bytes, packet.destination) &&
    word(bytes, quoted + 16) === word(bytes, packet.source)
  );
}
