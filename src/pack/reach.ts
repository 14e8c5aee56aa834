import { SmolError } from "../errors.ts";
import { readServer } from "../machine/model/check-network.ts";
import { parseRange } from "../net/policy/address.ts";
import { HOST_NAME } from "../net/policy/names.ts";
import { BadRule, isMeantFor, parseHostRule, parseRangeRule, type Rule } from "../net/policy/rules.ts";
import { SPECIAL } from "../net/policy/special.ts";
import type { PackedNetwork } from "./manifest.ts";

/**
 * Refuses a network that reaches what only the user of a host opens: its loopback, its link, its cloud's metadata
 * (src/net/policy/special.ts). A pack comes from a stranger, and its word is not the user's.
 *
 * @throws SmolError `pack.reaches_host`
 */
export function refuseHost(network: PackedNetwork | null): void {
  if (network === null) return;
  const { allow_hosts, allow_cidrs, dns } = network;
  const rules = [
    ...allow_hosts.map((text) => [text, read(text, parseHostRule)] as const),
    ...allow_cidrs.map((text) => [text, read(text, parseRangeRule)] as const),
  ];
  const servers = dns.map((text) => [text, serverRule(text)] as const);
  const found = [...rules, ...servers].find(([, rule]) => rule !== undefined && isOfHost(rule));
  if (found === undefined) return;
  throw new SmolError("pack.reaches_host", `the pack asks for what is the host's own: ${found[0]}`, {
    hint: "leave it out of the pack, and give it where the pack runs: --allow-cidr, --allow-host, --dns",
  });
}

function isOfHost(rule: Rule): boolean {
  if (rule.kind === "host") return rule.name === HOST_NAME;
  return SPECIAL.some(({ kind, range }) => kind === "closed" && isMeantFor(rule, range));
}

/** @returns undefined for what is no rule: whoever starts the machine says so */
function read(text: string, parse: (text: string) => Rule): Rule | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof BadRule) return undefined;
    throw error;
  }
}

/** A server is asked by the host itself. */
function serverRule(text: string): Rule | undefined {
  const range = parseRange(readServer(text)?.address ?? "");
  return range && { kind: "range", text, range, port: undefined, protocol: undefined };
}
