import { ETHERNET_HEADER } from "../limits.ts";
import type { Output } from "../link/output.ts";
import { short } from "./address.ts";
import { EtherType, ethernetHeader, gatewayMac, guestMac } from "./ethernet.ts";

const LENGTH = 28;
const REQUEST = 1;
const REPLY = 2;

/**
 * Answers who asks for an address that the gateway's MAC stands for (RFC 826). Nobody else is on the wire.
 *
 * @param isAnswered whether the address at a place of the frame is one of them
 */
export function answerArp(
  output: Output,
  bytes: Uint8Array,
  start: number,
  end: number,
  isAnswered: (at: number) => boolean,
): void {
  const at = start + ETHERNET_HEADER;
  if (end - at < LENGTH || short(bytes, at) !== 1 || short(bytes, at + 2) !== EtherType.ipv4) return;
  if (short(bytes, at + 6) !== REQUEST || !isAnswered(at + 24)) return;
  const frame = output.begin();
  if (frame < 0) return;
  const out = output.bytes;
  out.set(ethernetHeader(EtherType.arp), frame);
  const reply = frame + ETHERNET_HEADER;
  out.set([0, 1, 8, 0, 6, 4, 0, REPLY, ...gatewayMac], reply);
  out.set(bytes.subarray(at + 24, at + 28), reply + 14);
  out.set(guestMac, reply + 18);
  out.set(bytes.subarray(at + 14, at + 18), reply + 24);
  output.commit(ETHERNET_HEADER + LENGTH);
}
