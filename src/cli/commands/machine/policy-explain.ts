import { openMachines } from "../../machines.ts";
import { machineName, machineNameOf } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";
import { usageError } from "../../usage.ts";

const options = {
  name: machineName,
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const policyExplain = command({
  path: ["machine", "policy", "explain"],
  kind: "status",
  summary: "Tell whether a machine may reach a host, and by which rule",
  options,
  arguments: {
    kind: "words",
    placeholder: "[NAME] HOST[:PORT]",
    min: 1,
    max: 2,
    hint: { kind: "machine" },
  },
  text: `Asks the machine's policy what it would decide, by the function that decides while it runs; nothing
is looked up and nothing is sent. Whether a name leads to an address that is closed all the same,
such as a private one, is only known when it is asked for.

Exits with 0 when something of what was asked is allowed, else with 1.`,
  examples: [
    { command: "smolvm machine policy explain web api.github.com:443" },
    { command: "smolvm machine policy explain web 169.254.169.254" },
  ],
  run: async ({ values, words }) => {
    const [{ parseDestination }, { formatExplanation }] = await Promise.all([
      import("../../options/destination.ts"),
      import("../../show/policy.ts"),
    ]);
    const { machines, context } = await openMachines();
    const { host, port } = parseDestination(words.at(-1) ?? "");
    if (words.length === 2 && values.name !== undefined && values.name !== words[0])
      throw usageError(
        "cli.two_names",
        `two machines were named: ${words[0]} and, with --name, ${values.name}`,
      );
    const name = machineNameOf({ values, words: words.slice(0, -1) });
    const explanation = await machines.explainPolicy(context, name, host, port);
    const isAllowed = explanation?.flows.some(({ allow }) => allow) ?? false;
    if (values.json) await printJson({ name, host, port: port ?? null, allowed: isAllowed, ...explanation });
    else await print(formatExplanation(name, host, explanation));
    return isAllowed ? 0 : 1;
  },
});
