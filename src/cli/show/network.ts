import type { NetworkSpec } from "../../machine/index.ts";

export { formatPort } from "../../machine/model/network.ts";

/** A network in one line. */
export function formatNetwork(network: NetworkSpec): string {
  const {
    egress,
    allowHosts,
    allowRanges,
    allowPresets,
    hostLoopback,
    checkServerName,
    dns,
    addHosts,
    join,
  } = network;
  const list = [...allowHosts, ...allowRanges, ...allowPresets.map((name) => `preset ${name}`)];
  const open = { none: "nothing outside", all: "everything outside", list: list.join(", ") || "nothing" };
  return [
    open[egress],
    ...(join === null ? [] : [`machines of the network ${join}`]),
    ...(hostLoopback ? ["the host's loopback"] : []),
    ...(checkServerName ? [] : ["server names unchecked"]),
    ...(dns.length === 0 ? [] : [`names by ${dns.join(", ")}`]),
    ...addHosts.map((entry) => `${entry.replace(":", " is ")}`),
  ].join("; ");
}
