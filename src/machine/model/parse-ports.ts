import { parseAddress } from "../../net/policy/address.ts";
import type { PortSpec } from "./network-schema.ts";

const LOOPBACK = "127.0.0.1";

/** More than one range at once is a mistake. */
const MAX_RANGE = 1024;

/**
 * Reads `[ADDRESS:]HOST:GUEST[/udp]`, `PORT`, and both with ranges, `8000-8010:9000-9010`. Ports of the host are on its
 * loopback unless an address is given; 0 is any that is free.
 *
 * @returns undefined: it is none of these
 */
export function parsePorts(text: string): readonly PortSpec[] | undefined {
  const match = /^(?:(?:\[([^\]]*)\]|([^:/]*)):)?(?:([\d-]+):)?([\d-]+)(?:\/(tcp|udp))?$/i.exec(text);
  if (match === null) return undefined;
  const [, bracketed, plain, hostText, guestText = "", protocolText = "tcp"] = match;
  // `8080:80` has no address: what stands in its place is the host's port.
  const isPort = bracketed === undefined && hostText === undefined && plain !== undefined;
  const address = isPort ? LOOPBACK : (bracketed ?? plain ?? LOOPBACK);
  const guest = portsIn(guestText, 1);
  const host = portsIn(isPort ? plain : (hostText ?? guestText), 0);
  if (guest === undefined || host?.length !== guest.length || parseAddress(address) === undefined)
    return undefined;
  const protocol = protocolText.toLowerCase() === "udp" ? "udp" : "tcp";
  return guest.map((port, index) => ({ address, host: host[index] as number, guest: port, protocol }));
}

/** One port, or all from one to another. */
function portsIn(range: string, least: number): number[] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  const lowest = match[2] === undefined ? least : 1;
  if (first < lowest || last > 65_535 || last < first || last - first >= MAX_RANGE) return undefined;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
