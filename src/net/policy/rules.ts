import { quote } from "../../values/index.ts";
import { covers, formatRange, parseRange, type Range } from "./address.ts";
import { isHostName, normalName } from "./names.ts";
import { SPECIAL } from "./special.ts";

/** What a rule says about ports: undefined, nothing. */
export interface PortRule {
  readonly port: number | undefined;
  readonly protocol: "tcp" | "udp" | undefined;
}

/** A name, or what is below one, that may be looked up and whose addresses open. */
export interface HostRule extends PortRule {
  readonly kind: "host";
  /** As it is shown. */
  readonly text: string;
  readonly name: string;
  /** `only`: `*.example.com` is not `example.com` itself. */
  readonly below: "also" | "only";
}

/** Addresses that are open whatever they are called. */
export interface RangeRule extends PortRule {
  readonly kind: "range";
  readonly text: string;
  readonly range: Range;
}

export type Rule = HostRule | RangeRule;

/** Why a text is no rule: completes "… is invalid: ". */
export class BadRule extends Error {}

/**
 * Reads what `--allow-host` takes: `NAME`, which includes all names below it, `*.NAME`, only those, or an address; each
 * with `:PORT` and `/tcp` or `/udp` behind it if it is not meant for all. IPv6 with a port stands in brackets.
 *
 * @throws BadRule
 */
export function parseHostRule(text: string): Rule {
  const { rest, ...ports } = splitPorts(text);
  const range = parseRange(rest);
  if (range !== undefined && range.length === range.width) return rangeRule(range, ports);
  if (range !== undefined || rest.includes("/"))
    throw new BadRule(`${quote(text)} is a range of addresses, which --allow-cidr takes`);
  const only = rest.startsWith("*.");
  const name = normalName(only ? rest.slice(2) : rest);
  if (name.includes("*")) throw new BadRule("a * stands only at the front, as in *.example.com");
  if (!isHostName(name)) throw new BadRule(`${quote(text)} is no name of a host`);
  // Nothing that resolvers take for an address may pass as a name: 127.1, 0x7f000001, 2130706433.
  if (/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name)) throw new BadRule(`${quote(text)} is no whole address`);
  return {
    kind: "host",
    text: `${only ? "*." : ""}${name}${formatPorts(ports)}`,
    name,
    below: only ? "only" : "also",
    ...ports,
  };
}

/**
 * Reads what `--allow-cidr` takes: `ADDRESS/LENGTH` or an address, with `:PORT` and `/tcp` or `/udp` as for names.
 *
 * @throws BadRule
 */
export function parseRangeRule(text: string): RangeRule {
  const { rest, ...ports } = splitPorts(text);
  const range = parseRange(rest);
  if (range === undefined) throw new BadRule(`${quote(text)} is no range such as 10.0.0.0/8, and no address`);
  return rangeRule(range, ports);
}

function rangeRule(range: Range, ports: PortRule): RangeRule {
  const written = formatRange(range);
  const bracketed = range.width === 128 && ports.port !== undefined ? `[${written}]` : written;
  return { kind: "range", text: `${bracketed}${formatPorts(ports)}`, range, ...ports };
}

/** `[…]:443/tcp`, `name:443`, `10.0.0.0/8:443/udp`, `2001:db8::/32` (which has no port). */
function splitPorts(text: string): PortRule & { rest: string } {
  const { head, protocol } = splitProtocol(text.trim());
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(head);
  const plain = /^([^:]*):(\d+)$/.exec(head);
  const [, rest = head, port] = bracketed ?? plain ?? [];
  return { rest, port: port === undefined ? undefined : portOf(port), protocol };
}

function splitProtocol(text: string): { head: string; protocol: "tcp" | "udp" | undefined } {
  const match = /^(.*)\/(tcp|udp)$/i.exec(text);
  if (match === null) return { head: text, protocol: undefined };
  return { head: match[1] as string, protocol: (match[2] as string).toLowerCase() as "tcp" | "udp" };
}

function portOf(text: string): number {
  const port = Number(text);
  if (text.length > 5 || port < 1 || port > 65_535) throw new BadRule("a port is a number from 1 to 65535");
  return port;
}

function formatPorts({ port, protocol }: PortRule): string {
  return `${port === undefined ? "" : `:${port}`}${protocol === undefined ? "" : `/${protocol}`}`;
}

export function matchesName({ name, below }: HostRule, asked: string): boolean {
  return asked.endsWith(`.${name}`) || (below === "also" && asked === name);
}

/** @param port 0 for ICMP, which only rules about everything let through */
export function matchesPort(rule: PortRule, protocol: "tcp" | "udp" | "icmp", port: number): boolean {
  if (protocol === "icmp") return rule.port === undefined && rule.protocol === undefined;
  return (rule.port ?? port) === port && (rule.protocol ?? protocol) === protocol;
}

/** Whether a range was written for closed addresses, and does not only happen to contain some. */
export function isMeantFor(rule: RangeRule, closed: Range): boolean {
  return covers(closed, rule.range);
}

/** Whether a range has an address that is no host of its own. */
export function isOnlyLoopback({ range }: RangeRule): boolean {
  return SPECIAL.some((special) => special.what === "loopback" && covers(special.range, range));
}
