import { type AddressBytes, addressIs, parseAddress } from "../wire/address.ts";

/**
 * The addresses of named networks, 100.96.1.0/24: the same in each, since no machine is in two. They are beside those of
 * the machines' own wires, out of the range that providers use among themselves (RFC 6598).
 */
const PREFIX = "100.96.1";
const prefix = parseAddress(`${PREFIX}.0`).subarray(0, 3);

export const lanPrefix = 24;

/** The last of the four numbers of an address: all but those of the network itself and of broadcasts. */
export const lanHosts = { first: 1, last: 254 } as const;

/** @param host from `lanHosts.first` to `lanHosts.last` */
export const lanAddress = (host: number): string => `${PREFIX}.${host}`;

/** Whether the IPv4 address at a place of a packet is one of a named network's. */
export function isLanAddress(bytes: Uint8Array, at: number): boolean {
  return addressIs(bytes, at, prefix);
}

/** The last number of such an address; 0: it is none that a member may have. */
export function lanHostOf(address: AddressBytes): number {
  const host = address[3] ?? 0;
  return address.length === 4 && isLanAddress(address, 0) && host <= lanHosts.last ? host : 0;
}
