import { lookup } from "node:dns/promises";
import { errnoOf, SmolError } from "../../errors.ts";
import type { MachineSpec } from "../../machine/index.ts";
import { HOST_NAME, parseHostRule } from "../../net/policy/index.ts";
import { oneLine } from "../../values/index.ts";
import { endsWithin } from "../../within.ts";
import { warn } from "../output.ts";

/** A resolver that takes longer is not waited for: the machine asks again when it needs the name. */
const LIMIT_MS = 2000;

/**
 * Names that options allow are looked up once, because one that does not exist is a slip of the pen as a rule. What the
 * machine reaches is decided by what it is told while it runs.
 *
 * @param hosts as options have them
 * @throws SmolError `network.unresolved`
 */
export async function checkHosts(hosts: readonly string[], { network }: MachineSpec): Promise<void> {
  // Another server knows other names, and what the user has given an address needs none.
  if (network === null || network.dns.length > 0) return;
  const known = network.addHosts.map((entry) => entry.slice(0, entry.indexOf(":")));
  const names = hosts.map(parseHostRule).flatMap((rule) => {
    if (rule.kind !== "host" || rule.below === "only") return [];
    return rule.name === HOST_NAME || known.includes(rule.name) ? [] : [rule.name];
  });
  await Promise.all([...new Set(names)].map(check));
}

async function check(name: string): Promise<void> {
  const outcome = lookup(name).then(
    () => "found",
    (error: unknown) => errnoOf(error) ?? "no answer",
  );
  const code = (await endsWithin(outcome, LIMIT_MS)) ? await outcome : "no answer in time";
  if (code === "found") return;
  if (code === "ENOTFOUND")
    throw new SmolError(
      "network.unresolved",
      `failed to resolve the host ${oneLine(name)}: there is no such name`,
      {
        hint: "--add-host gives a name an address, --dns asks another server, *.NAME allows what is below one",
      },
    );
  warn(`whether ${name} exists could not be found out (${code}); the machine asks when it needs it`);
}
