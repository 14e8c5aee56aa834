import { openMachines } from "../../machines.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, value } from "../../program/types.ts";
import { parseMoment } from "../../values/moment.ts";

const options = {
  name: machineName,
  since: value({
    long: "since",
    placeholder: "TIME",
    description: "Only what was used since: 10m (ago), 2026-01-31T12:00:00Z",
    parse: (text) => parseMoment(text),
  }),
  options: flag({ long: "options", description: "Print them as options of machine create" }),
  json: flag({ long: "json", description: "Print a JSON object" }),
};

export const policyLearned = command({
  path: ["machine", "policy", "learned"],
  kind: "status",
  summary: "Print the allow-list that a machine has turned out to need",
  options,
  arguments: machineWord,
  text: `Reads the machine's log of the network and prints the narrowest lists that let through what it has
used, as the section of a Smolfile: names with the ports that were used, and addresses that it
reached without having asked for a name. What it tried and where nobody answered is a comment below,
no rule. Start the machine with --egress learn, let it work, then
give the list to the next one. Read it first: it has what the machine did, wanted or not.`,
  examples: [
    { command: "smolvm machine policy learned build >>Smolfile" },
    { command: "smolvm machine policy learned build --options" },
  ],
  run: async (invocation) => {
    const { values } = invocation;
    const { machines, context } = await openMachines();
    const { formatLearned, learnedOptions } = await import("../../show/policy.ts");
    const learned = await machines.learnedPolicy(context, machineNameOf(invocation), values.since);
    const { hosts, ranges, unanswered } = learned;
    if (values.json) await printJson({ allow_hosts: hosts, allow_cidrs: ranges, unanswered });
    else await print(values.options ? learnedOptions(learned) : formatLearned(learned));
    return 0;
  },
});
