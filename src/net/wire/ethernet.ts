import { ETHERNET_HEADER } from "../limits.ts";
import { network } from "../types.ts";

export const EtherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;

/** @param text `02:53:…` */
export function parseMac(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
}

export const guestMac = parseMac(network.guestMac);
export const gatewayMac = parseMac(network.gatewayMac);

/** Of a frame from the gateway to the guest (IEEE 802.3, Ethernet II). */
export function ethernetHeader(type: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(ETHERNET_HEADER);
  header.set(guestMac);
  header.set(gatewayMac, guestMac.length);
  header[12] = type >>> 8;
  header[13] = type & 0xff;
  return header;
}
