import type { SpecLayer } from "../../machine/model/index.ts";
import type { Values } from "../program/types.ts";
import { usageError } from "../usage.ts";
import {
  parseAllowedHost,
  parseAllowedRange,
  parseDnsServer,
  parseHostEntry,
  parsePublished,
} from "../values/network.ts";
import type { networkOptions } from "./network-options.ts";

export type NetworkValues = Values<typeof networkOptions>;

/**
 * What the options of a command say about a machine's network.
 *
 * @throws SmolError `cli.bad_value`; `cli.network_options` for what cannot be had together
 */
export function networkLayer(values: NetworkValues): Pick<SpecLayer, "network" | "ports"> {
  const { net, noNet, allowHosts, allowRanges, allowPresets, localhostOnly, hostLoopback, ...more } = values;
  const {
    noSniCheck,
    egress,
    dns,
    addHosts,
    ports: given,
    proxyEnv,
    namedNetwork,
    netBackend,
    ...forgotten
  } = more;
  forgotten satisfies Record<string, never>;
  const ports = given.flatMap(parsePublished);
  const isListed = allowHosts.length + allowRanges.length + allowPresets.length > 0 || localhostOnly;
  const isOpen = net || egress === "learn" || dns.length > 0;
  const isNamed = namedNetwork !== undefined;
  const isSaid =
    isListed || isOpen || hostLoopback || noSniCheck || addHosts.length > 0 || proxyEnv || isNamed;
  checkBackend(netBackend, {
    restricted: isListed || isNamed || ports.length > 0,
    wanted: isSaid || ports.length > 0,
  });
  if (egress === "learn" && isListed)
    throw usageError("cli.network_options", "--egress learn lets everything through, and needs no list");
  if (noNet && isSaid)
    throw usageError("cli.network_options", "--no-net takes the network away that others give");
  return {
    ports: ports.length === 0 ? undefined : ports,
    network: noNet
      ? null
      : !isSaid
        ? undefined
        : {
            egress: isListed ? "list" : isOpen ? "all" : undefined,
            allowHosts: said(allowHosts.map(parseAllowedHost)),
            allowRanges: said(allowRanges.map(parseAllowedRange)),
            allowPresets: said(allowPresets),
            hostLoopback: hostLoopback || localhostOnly || undefined,
            checkServerName: noSniCheck ? false : undefined,
            dns: said(dns.map(parseDnsServer)),
            addHosts: said(addHosts.map(parseHostEntry)),
            join: namedNetwork,
            proxyEnv: proxyEnv || undefined,
          },
  };
}

/** What upstream's other backend cannot do it would only seem to do. */
function checkBackend(
  backend: NetworkValues["netBackend"],
  { restricted, wanted }: { restricted: boolean; wanted: boolean },
): void {
  if (backend === undefined) return;
  if (!wanted)
    throw usageError(
      "cli.network_options",
      `--net-backend ${backend} has no effect without a network`,
      "add --net",
    );
  if (backend === "tsi" && restricted)
    throw usageError(
      "cli.network_options",
      "--net-backend tsi cannot enforce a list, publish a port or join a network: that takes virtio-net",
      "leave --net-backend out: it is always virtio-net",
    );
}

const said = <T>(list: readonly T[]): readonly T[] | undefined => (list.length === 0 ? undefined : list);
