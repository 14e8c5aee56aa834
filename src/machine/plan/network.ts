import type { PolicySettings } from "../../net/policy/policy.ts";
import { network as addresses } from "../../net/types.ts";
import { readHostEntry, readServer } from "../model/check-network.ts";
import type { MachineSpec } from "../model/index.ts";

/** A machine's network as its process makes it. */
export interface NetworkPlan {
  readonly policy: PolicySettings;
  /** Servers for names; none: the host's. */
  readonly servers: readonly { readonly address: string; readonly port: number }[];
  /** Names with addresses of their own. */
  readonly names: readonly (readonly [name: string, addresses: readonly string[]])[];
  /** The named network that the machine is in. */
  readonly join: string | null;
}

/**
 * The one place where a machine's description becomes what it may reach. Null: it has no network card.
 */
export function planNetwork({ network, ports }: Pick<MachineSpec, "network" | "ports">): NetworkPlan | null {
  if (network === null && ports.length === 0) return null;
  const names = new Map<string, string[]>();
  for (const entry of network?.addHosts ?? []) {
    const read = readHostEntry(entry);
    if (read === undefined) continue;
    const { name, address } = read;
    const known = names.get(name) ?? [];
    names.set(name, [
      ...known,
      ...(address === "host-gateway" ? [addresses.gateway, addresses.gateway6] : [address]),
    ]);
  }
  return {
    policy: {
      egress: network?.egress ?? "none",
      hosts: network?.allowHosts ?? [],
      ranges: network?.allowRanges ?? [],
      presets: network?.allowPresets ?? [],
      strange: network?.packedRules ?? [],
      localhost: network?.hostLoopback ?? false,
      checkServerName: network?.checkServerName ?? true,
    },
    servers: (network?.dns ?? []).flatMap((server) => readServer(server) ?? []),
    names: [...names],
    join: network?.join ?? null,
  };
}
