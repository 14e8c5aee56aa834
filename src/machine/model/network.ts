import type { NetworkSpec, PortSpec } from "./network-schema.ts";

/** A machine that has a network card, and about which nothing else was said. */
export const defaultNetwork: NetworkSpec = {
  egress: "none",
  allowHosts: [],
  allowRanges: [],
  allowPresets: [],
  packedRules: [],
  hostLoopback: false,
  checkServerName: true,
  dns: [],
  addHosts: [],
  join: null,
  proxyEnv: false,
};

/** What one source says about a network. Lists are added to those of weaker sources. */
export type SaidNetwork = {
  readonly [K in keyof NetworkSpec]?:
    | (NetworkSpec[K] extends readonly string[] ? readonly string[] : NetworkSpec[K])
    | undefined;
};

/** A network while sources are still being heard. */
export type DraftNetwork = {
  readonly [K in keyof NetworkSpec]: NetworkSpec[K] extends readonly string[]
    ? readonly string[]
    : NetworkSpec[K];
};

/**
 * A list, once there is one, is not widened by somebody who asks for the network as a whole: `--net` beside a list has
 * always meant what the list says. `--no-net` takes both away.
 */
export function joinNetwork(below: DraftNetwork | null, said: SaidNetwork): DraftNetwork {
  const base = below ?? defaultNetwork;
  const isListed = base.egress === "list" || said.egress === "list";
  return {
    egress: isListed ? "list" : (said.egress ?? base.egress),
    allowHosts: union(base.allowHosts, said.allowHosts),
    allowRanges: union(base.allowRanges, said.allowRanges),
    allowPresets: union(base.allowPresets, said.allowPresets),
    packedRules: packedRules(base, said),
    hostLoopback: said.hostLoopback ?? base.hostLoopback,
    checkServerName: said.checkServerName ?? base.checkServerName,
    // The first that answers decides: those of another source are in place of these.
    dns: said.dns ?? base.dns,
    addHosts: union(base.addHosts, said.addHosts),
    // Null takes it out of the one that a weaker source has put it into.
    join: said.join === undefined ? base.join : said.join,
    proxyEnv: said.proxyEnv ?? base.proxyEnv,
  };
}

/** What somebody here says as well is not the pack's word alone. */
function packedRules(base: DraftNetwork, said: SaidNetwork): readonly string[] {
  const own = [...(said.allowHosts ?? []), ...(said.allowRanges ?? [])];
  const strange = said.packedRules ?? [];
  const isKnown = (rule: string) => base.allowHosts.includes(rule) || base.allowRanges.includes(rule);
  const before = base.packedRules.filter((rule) => strange.includes(rule) || !own.includes(rule));
  const added = strange.filter((rule) => !isKnown(rule));
  return union(before, added);
}

export function joinPorts(below: readonly PortSpec[], said: readonly PortSpec[]): readonly PortSpec[] {
  return [...below, ...said.filter((port) => !below.some((other) => isSame(port, other)))];
}

const isSame = (one: PortSpec, other: PortSpec) => formatPort(one) === formatPort(other);

const union = (below: readonly string[], said: readonly string[] = []) => [...new Set([...below, ...said])];

/** As `-p` takes it. */
export function formatPort({ address, host, guest, protocol }: PortSpec): string {
  const where = address.includes(":") ? `[${address}]` : address;
  return `${where}:${host}:${guest}${protocol === "udp" ? "/udp" : ""}`;
}

/** A port that published ports lie at twice: whoever opens the second would be refused. */
export function clashing(ports: readonly PortSpec[]): PortSpec | undefined {
  return ports.find(({ host, protocol, address }, index) =>
    ports
      .slice(0, index)
      .some(
        (other) =>
          host !== 0 && other.host === host && other.protocol === protocol && other.address === address,
      ),
  );
}
