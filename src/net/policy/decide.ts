import type { AllowedFlow, DeniedFlow, FlowDecision, FlowProtocol } from "../types.ts";
import { network } from "../types.ts";
import { type Address, contains, formatAddress, parseAddress, type Range } from "./address.ts";
import { HOST_NAME, isHostName, normalName } from "./names.ts";
import type { OpenedAddresses } from "./opened.ts";
import { isOwn } from "./own.ts";
import type { Policy } from "./policy.ts";
import { isMeantFor, isOnlyLoopback, matchesName, matchesPort, type Rule } from "./rules.ts";
import { embedded, specialOf } from "./special.ts";

/** What is asked about a flow: where to, and by what. */
export interface Destination {
  readonly protocol: FlowProtocol;
  readonly address: string;
  /** 0 for ICMP. */
  readonly port: number;
}

export interface NameDecision {
  readonly allow: boolean;
  readonly rule: string;
}

const DNS_PORT = 53;
/** Where the name that the program gives to the server is looked at. */
export const CHECKED_PORTS: ReadonlyMap<number, "tls" | "http"> = new Map([
  [443, "tls"],
  [80, "http"],
]);
const QUIC_PORT = 443;

const GATEWAYS: ReadonlyMap<string, string> = new Map([
  [network.gateway, "127.0.0.1"],
  [network.gateway6, "::1"],
]);

/** The rule's words for whatever no rule lets through. */
const NOTHING: { readonly [K in Policy["egress"]]: string } = {
  none: "no network to the outside",
  all: "closed",
  list: "not in the allow-list",
};

/**
 * The one decision about a flow: every way to start a machine ends here.
 *
 * 1. Questions about names go to the machine's own resolver, whichever server the guest asks, unless it has the whole
 *    network or a rule names port 53.
 * 2. The gateway's address is the host's loopback, if a rule is meant for that.
 * 3. Closed addresses, also in the shape of an IPv6 address that stands for one, are open only by a range within them.
 * 4. The host's own addresses are open by a range of the user's that has them and is not everything, or with the host's
 *    loopback.
 * 5. With the whole network, all else is open.
 * 6. Ranges decide by the address.
 * 7. Rules by name decide by the addresses that answers have opened.
 *
 * @param now milliseconds, of the clock with which addresses were opened
 * @param own addresses of this host
 */
export function decide(
  policy: Policy,
  opened: OpenedAddresses,
  flow: Destination,
  now: number,
  own: readonly Range[] = [],
): FlowDecision {
  const address = parseAddress(flow.address);
  if (address === undefined) return refused("no address");
  const toDns = flow.protocol !== "icmp" && flow.port === DNS_PORT;
  const gateway = GATEWAYS.get(flow.address);
  if (toDns && (gateway !== undefined || asksUs(policy, address, flow)))
    return { allow: true, target: "resolver", rule: "dns" };
  if (gateway !== undefined) return toHost(policy, flow, gateway);
  return (
    closedTo(policy, address, flow) ??
    toOwn(policy, opened, address, flow, now, own) ??
    (policy.egress === "all" ? allowed(flow, "--net") : undefined) ??
    byRange(policy, address, flow) ??
    byName(policy, opened, address, flow, now) ??
    refused(NOTHING[policy.egress])
  );
}

const refused = (rule: string): DeniedFlow => ({ allow: false, how: "refuse", rule });

function allowed({ address, port }: Destination, rule: string, inspect = false): AllowedFlow {
  return { allow: true, target: { address, port }, rule, ...(inspect && { inspect }) };
}

/** Only a rule with this very port lets questions past the machine's own resolver. */
function asksUs({ egress, ranges }: Policy, address: Address, { protocol }: Destination): boolean {
  if (egress === "all") return false;
  return !ranges.some(
    (rule) =>
      rule.port === DNS_PORT && matchesPort(rule, protocol, DNS_PORT) && contains(rule.range, address),
  );
}

function toHost({ hosts, ranges }: Policy, { protocol, port }: Destination, target: string): FlowDecision {
  const loopback = parseAddress(target) as Address;
  const special = specialOf(loopback);
  const range = ranges.find(
    (rule) =>
      special !== undefined &&
      isMeantFor(rule, special.range) &&
      contains(rule.range, loopback) &&
      matchesPort(rule, protocol, port),
  );
  // All below a name that contains it does not mean the host.
  const host = hosts.find(({ name, ...rule }) => name === HOST_NAME && matchesPort(rule, protocol, port));
  const rule = range ?? host;
  if (rule === undefined) return refused("closed: the host's loopback");
  return allowed({ protocol, port, address: target }, rule.text);
}

/** Why an address is closed whatever the list says. */
function closedTo({ ranges }: Policy, address: Address, flow: Destination): DeniedFlow | undefined {
  for (const judged of [address, embedded(address)]) {
    const special = judged && specialOf(judged);
    if (judged === undefined || special?.kind !== "closed") continue;
    const isOpen = ranges.some(
      (rule) =>
        isMeantFor(rule, special.range) &&
        contains(rule.range, judged) &&
        matchesPort(rule, flow.protocol, flow.port),
    );
    // Programs announce themselves to whole networks all the time, and expect no answer.
    const how = special.what === "multicast" ? "drop" : "refuse";
    if (!isOpen) return { allow: false, how, rule: `closed: ${special.what}` };
  }
  return undefined;
}

/** What listens on all of the host's addresses is as much its own as what listens on its loopback. */
function toOwn(
  policy: Policy,
  opened: OpenedAddresses,
  address: Address,
  flow: Destination,
  now: number,
  own: readonly Range[],
): FlowDecision | undefined {
  const shapes = [address, embedded(address)].filter((shape) => shape !== undefined);
  if (!shapes.some((shape) => isOwn(own, shape))) return undefined;
  const loopback = policy.ranges.find(
    (rule) => isOnlyLoopback(rule) && matchesPort(rule, flow.protocol, flow.port),
  );
  const isUsers = ({ text }: Rule) => !policy.strange.has(text);
  const ranges = policy.ranges.filter((rule) => rule.range.length > 0 && isUsers(rule));
  const users = { ...policy, ranges, hosts: policy.hosts.filter(isUsers) };
  return (
    (loopback && allowed(flow, loopback.text)) ??
    byRange(users, address, flow) ??
    byName(users, opened, address, flow, now, true) ??
    refused("closed: this host's own address")
  );
}

function byRange({ ranges }: Policy, address: Address, flow: Destination): AllowedFlow | undefined {
  const rule = ranges.find(
    (rule) => contains(rule.range, address) && matchesPort(rule, flow.protocol, flow.port),
  );
  return rule && allowed(flow, rule.text);
}

function byName(
  { hosts, checkServerName }: Policy,
  opened: OpenedAddresses,
  address: Address,
  flow: Destination,
  now: number,
  isInner = specialOf(address) !== undefined,
): AllowedFlow | undefined {
  const { protocol, port } = flow;
  // QUIC hides the server's name from us: it has to be meant.
  const isHidden = checkServerName && protocol === "udp" && port === QUIC_PORT;
  for (const { name, byUser } of opened.namesOf(formatAddress(address), now)) {
    if (isInner && !byUser) continue;
    const rule = hosts.find(
      (rule) =>
        matchesName(rule, name) &&
        matchesPort(rule, protocol, port) &&
        (!isHidden || rule.protocol === "udp"),
    );
    if (rule === undefined) continue;
    return allowed(flow, rule.text, checkServerName && protocol === "tcp" && CHECKED_PORTS.has(port));
  }
  return undefined;
}

/** Whether a name may be looked up, and by which rule. */
export function decideName({ names, egress, hosts, ranges }: Policy, asked: string): NameDecision {
  const name = normalName(asked);
  const rule = hosts.find((rule) => matchesName(rule, name));
  if (rule !== undefined) return { allow: true, rule: rule.text };
  if (names === "all") return { allow: true, rule: egress === "all" ? "--net" : (ranges[0]?.text ?? "") };
  return { allow: false, rule: NOTHING[egress] };
}

/** Whether the name that a program gave to a server is one that may be reached there, and by which rule. */
export function decideServerName(
  { hosts }: Policy,
  asked: string,
  { protocol, port }: Destination,
): NameDecision {
  const name = normalName(asked);
  // Servers cut a path, a port, a zero byte or a list off: what is no name must not end like one that is allowed.
  const rule = isHostName(name)
    ? hosts.find((rule) => matchesName(rule, name) && matchesPort(rule, protocol, port))
    : undefined;
  return rule === undefined
    ? { allow: false, rule: `not in the allow-list: server name ${name}` }
    : { allow: true, rule: rule.text };
}
