import { type Packet, Protocol } from "../ip/packet.ts";
import { Path } from "../ip/path.ts";
import type { Output } from "../link/output.ts";
import { type AddressBytes, addressIs } from "../wire/address.ts";
import { gatewayMac } from "../wire/ethernet.ts";

const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const TARGET_LINK_LAYER_ADDRESS = 2;
/** It is an answer, of a router, and replaces what was known before. */
const FLAGS = 0xe0;
const HOP_LIMIT = 255;

/** Answers who asks for the gateway by IPv6 (RFC 4861, sections 4.3, 4.4). @returns whether it was such a question */
export function answerSolicitation(output: Output, packet: Packet, gateway: AddressBytes): boolean {
  const { bytes, start, end } = packet;
  if (bytes[start] !== SOLICITATION) return false;
  // Routers do not forward with the full hop limit: only a neighbour can have sent it.
  if (end - start < 24 || bytes[packet.header + 7] !== HOP_LIMIT) return true;
  if (!addressIs(bytes, start + 8, gateway)) return true;
  const path = new Path(gateway, packet.copyAddress(packet.source), Protocol.icmp6);
  const at = output.begin();
  if (at < 0) return true;
  const message = [
    ADVERTISEMENT,
    0,
    0,
    0,
    FLAGS,
    0,
    0,
    0,
    ...gateway,
    TARGET_LINK_LAYER_ADDRESS,
    1,
    ...gatewayMac,
  ];
  path.write(output, at, message.length);
  // The fixed header's hop limit (RFC 8200, section 3), which others would drop it for.
  output.bytes[at + 14 + 7] = HOP_LIMIT;
  const icmp = at + path.headerLength;
  output.bytes.set(message, icmp);
  output.view.setUint16(icmp + 2, path.checksum(output, icmp, icmp + message.length));
  output.commit(path.headerLength + message.length);
  return true;
}
