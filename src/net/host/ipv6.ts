import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";

/** RTF_REJECT of linux/route.h. */
const REJECTS = 0x200;

/**
 * Whether this host has a way to the IPv6 Internet. A guest that got an address all the same would try IPv6 first, and
 * wait, where an error at once makes programs take IPv4.
 */
export function hostHasIpv6(): boolean {
  if (process.platform !== "linux") return hasGlobalAddress();
  try {
    return hasDefaultRoute(readFileSync("/proc/net/ipv6_route", "latin1"));
  } catch {
    return false;
  }
}

/** @param routes the content of /proc/net/ipv6_route */
export function hasDefaultRoute(routes: string): boolean {
  return routes.split("\n").some((line) => {
    const [destination = "", prefix, , , , , , , flags = "", device] = line.trim().split(/\s+/);
    const rejects = (Number.parseInt(flags, 16) & REJECTS) !== 0;
    return /^0{32}$/.test(destination) && prefix === "00" && !rejects && device !== "lo";
  });
}

function hasGlobalAddress(): boolean {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(({ family, internal, address }) => family === "IPv6" && !internal && /^[23]/.test(address));
}
