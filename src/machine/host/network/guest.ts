import { SmolError } from "../../../errors.ts";
import type { Guest } from "../../../guest/index.ts";
import { lanPrefix, network } from "../../../net/index.ts";
import { runInSystem } from "../system.ts";

/**
 * What the guest's system runs, once at each boot: there is one network namespace, so all roots have it. No DHCP: the
 * host knows everything beforehand. One shell and its `ip`, which are busybox; 64 KiB of MTU, as `src/net` wants.
 */
function script(mtu: number, ipv6: boolean, lanAddress: string | undefined): string {
  const { guest, gateway, prefix, guest6, gateway6, prefix6 } = network;
  const lines = [
    "set -e",
    // Addresses are given, so none is looked for: no second of tentative addresses, and none that routers announce.
    "cd /proc/sys/net/ipv6/conf/eth0 && echo 0 >accept_dad && echo 0 >accept_ra || :",
    `ip link set eth0 mtu ${mtu} up`,
    `ip addr add ${guest}/${prefix} dev eth0`,
    `ip route add default via ${gateway} dev eth0`,
  ];
  if (lanAddress !== undefined) lines.push(`ip addr add ${lanAddress}/${lanPrefix} dev eth0`);
  if (ipv6)
    lines.push(
      `ip -6 addr add ${guest6}/${prefix6} dev eth0`,
      `ip -6 route add default via ${gateway6} dev eth0`,
    );
  return lines.join("\n");
}

/**
 * Gives the guest's card its addresses and routes.
 *
 * @param lanAddress in the machine's named network
 * @throws SmolError `machine.network_failed`; whatever ends the guest's connection
 */
export async function configureGuest(
  guest: Guest,
  mtu: number,
  ipv6: boolean,
  lanAddress: string | undefined,
): Promise<void> {
  const { result, output } = await runInSystem(guest, ["sh", "-c", script(mtu, ipv6, lanAddress)]);
  if ("exitCode" in result && result.exitCode === 0) return;
  const said = output.trim().split("\n").at(-1);
  throw new SmolError(
    "machine.network_failed",
    `the guest's network could not be set up${said ? `: ${said}` : ""}`,
  );
}
