import type { Explanation, Learned } from "../../net/policy/index.ts";
import { oneLine } from "../output.ts";

/** What `machine policy explain` prints. */
export function formatExplanation(machine: string, host: string, explanation: Explanation | null): string {
  if (explanation === null) return `Machine '${machine}' has no network\n`;
  const { lookup, flows } = explanation;
  const verb = lookup === undefined ? "address" : lookup.allow ? "name, known to it" : "name, unknown to it";
  const lines = flows.map(({ protocol, port, allow, rule, checked }) => {
    const way = protocol === "icmp" ? "ping" : `${protocol} ${port}`;
    const check = checked ? ", if the server is called by such a name" : "";
    return `  ${way.padEnd(9)} ${allow ? "allowed" : "denied "} by ${oneLine(rule)}${check}`;
  });
  return [`${oneLine(host)} from machine '${machine}' (${verb}):`, ...lines, ""].join("\n");
}

/** The section of a Smolfile. */
export function formatLearned({ hosts, ranges, unanswered }: Learned): string {
  const list = (key: string, rules: readonly string[]) =>
    rules.length === 0 ? [] : [`${key} = [`, ...rules.map((rule) => `  ${JSON.stringify(rule)},`), "]"];
  // Two empty lists would be left out, and that would be no list at all.
  const some = [...list("allow_hosts", hosts), ...list("allow_cidrs", ranges)];
  const tried = unanswered.map((rule) => `#   ${oneLine(rule)}`);
  if (tried.length > 0) tried.unshift("# Tried, and nobody answered:");
  return ["[network]", ...(some.length === 0 ? ["allow_hosts = []"] : some), ...tried, ""].join("\n");
}

export function learnedOptions({ hosts, ranges }: Learned): string {
  const words = [
    ...hosts.map((rule) => `--allow-host ${rule}`),
    ...ranges.map((rule) => `--allow-cidr ${rule}`),
  ];
  return `${words.join(" ")}\n`;
}
