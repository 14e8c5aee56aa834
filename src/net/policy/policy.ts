import { HOST_NAME } from "./names.ts";
import { presetRules } from "./presets.ts";
import {
  BadRule,
  type HostRule,
  isOnlyLoopback,
  parseHostRule,
  parseRangeRule,
  type RangeRule,
} from "./rules.ts";

/** What a machine may reach, as its user has written it. */
export interface PolicySettings {
  /**
   * `none`: nothing (but what comes in through ports). `all`: everything that is not closed to all machines. `list`:
   * what the rules below say; an empty list is nothing.
   */
  readonly egress: "none" | "all" | "list";
  /** `--allow-host` */
  readonly hosts: readonly string[];
  /** `--allow-cidr` */
  readonly ranges: readonly string[];
  /** `--allow-preset` */
  readonly presets: readonly string[];
  /** Those of `hosts` and `ranges` that are not the user's word: they open none of the host's own addresses. */
  readonly strange?: readonly string[] | undefined;
  /** The host's loopback, beside what else is open; `--outbound-localhost-only` is this and an empty list. */
  readonly localhost: boolean;
  /** Rules by name hold for the name that a program gives to the server, too. */
  readonly checkServerName: boolean;
}

/** The same, read. */
export interface Policy {
  readonly egress: PolicySettings["egress"];
  readonly hosts: readonly HostRule[];
  readonly ranges: readonly RangeRule[];
  readonly checkServerName: boolean;
  /** Texts of rules that are not the user's. */
  readonly strange: ReadonlySet<string>;
  /** Which names may be looked up: all, those that a rule names, or none. */
  readonly names: "all" | "listed" | "none";
}

const LOOPBACK = ["127.0.0.0/8", "::1"];

/** @throws BadRule */
export function readPolicy(settings: PolicySettings): Policy {
  const { localhost, checkServerName } = settings;
  // The loopback alone is a list of one: it would be asked for in vain otherwise.
  const egress = settings.egress === "none" && localhost ? "list" : settings.egress;
  const listed = settings.egress === "list";
  const rules = listed
    ? [...settings.hosts, ...settings.presets.flatMap(presetRules)].map(parseHostRule)
    : [];
  const hosts = rules.filter((rule) => rule.kind === "host");
  const written = settings.egress === "none" ? [] : settings.ranges;
  // They also open what is closed to machines with the whole network.
  const ranges = [
    ...rules.filter((rule) => rule.kind === "range"),
    ...[...written, ...(localhost ? LOOPBACK : [])].map(parseRangeRule),
  ];
  const strange = new Set((settings.strange ?? []).flatMap(textsOf));
  return { egress, hosts, ranges, checkServerName, strange, names: namesOf(egress, hosts, ranges) };
}

/** How rules say it, whichever of the two it is. */
function textsOf(text: string): string[] {
  return [parseHostRule, parseRangeRule].flatMap((parse) => {
    try {
      return parse(text).text;
    } catch (error) {
      if (error instanceof BadRule) return [];
      throw error;
    }
  });
}

/**
 * Rules about whole ranges leave names open: programs know hosts by their names. Who may only reach the host itself, or
 * single addresses, has no use for names, and questions are a way out of their own.
 */
function namesOf(
  egress: Policy["egress"],
  hosts: readonly HostRule[],
  ranges: readonly RangeRule[],
): Policy["names"] {
  if (egress !== "list") return egress;
  if (hosts.some(({ name }) => name !== HOST_NAME)) return "listed";
  return ranges.some((rule) => rule.range.length < rule.range.width && !isOnlyLoopback(rule))
    ? "all"
    : "none";
}

/** Whether the host's own loopback answers at the gateway's address, on any port. */
export function reachesHost({ hosts, ranges }: Policy): boolean {
  return hosts.some(({ name }) => name === HOST_NAME) || ranges.some(isOnlyLoopback);
}
