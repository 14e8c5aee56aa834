import type { FlowProtocol } from "../types.ts";
import { network } from "../types.ts";
import { type Address, formatAddress, parseAddress } from "./address.ts";
import { decide, decideName, type NameDecision } from "./decide.ts";
import { HOST_NAME, normalName } from "./names.ts";
import { OpenedAddresses } from "./opened.ts";
import { ownAddresses } from "./own.ts";
import { type Policy, reachesHost } from "./policy.ts";

/** What a policy says about one way to a destination. */
export interface ExplainedFlow {
  readonly protocol: FlowProtocol;
  /** 0: of ICMP. */
  readonly port: number;
  readonly allow: boolean;
  readonly rule: string;
  /** The name that the program gives to the server is looked at. */
  readonly checked: boolean;
}

export interface Explanation {
  /** Undefined: the destination is an address. */
  readonly lookup: NameDecision | undefined;
  readonly flows: readonly ExplainedFlow[];
}

/** An ordinary address, for what only counts once a name has one (RFC 5737). */
const ORDINARY = "203.0.113.1";

/** What people ask about first. */
const USUAL: readonly (readonly [FlowProtocol, number])[] = [
  ["tcp", 443],
  ["tcp", 80],
  ["tcp", 22],
  ["udp", 443],
  ["icmp", 0],
];

/**
 * What would be decided about a destination, by the very function that decides. A name is taken to have an ordinary
 * address: where it leads is only known when it is asked for.
 *
 * @param host a name or an address
 * @param port undefined: the usual ones
 */
export function explain(policy: Policy, host: string, port: number | undefined): Explanation {
  const address = parseAddress(host);
  const name = normalName(host);
  const lookup = address === undefined ? lookUp(policy, name) : undefined;
  const opened = new OpenedAddresses();
  if (lookup?.allow) opened.open(ORDINARY, name, 1, false);
  const where = target(address, name);
  const own = ownAddresses();
  const ways: typeof USUAL =
    port === undefined
      ? USUAL
      : [
          ["tcp", port],
          ["udp", port],
        ];
  const flows = ways.map(([protocol, port]): ExplainedFlow => {
    if (lookup !== undefined && !lookup.allow)
      return { protocol, port, allow: false, rule: lookup.rule, checked: false };
    const decision = decide(policy, opened, { protocol, port, address: where }, 0, own);
    const checked = decision.allow && decision.inspect === true;
    return { protocol, port, allow: decision.allow, rule: decision.rule, checked };
  });
  return { lookup, flows };
}

function lookUp(policy: Policy, name: string): NameDecision {
  if (name !== HOST_NAME) return decideName(policy, name);
  return reachesHost(policy)
    ? { allow: true, rule: HOST_NAME }
    : { allow: false, rule: "closed: the host's loopback" };
}

function target(address: Address | undefined, name: string): string {
  if (address !== undefined) return formatAddress(address);
  return name === HOST_NAME ? network.gateway : ORDINARY;
}
