import { openMachines } from "../../machines.ts";
import { machineName, machineNamesOf, machineWords } from "../../options/machine-name.ts";
import { printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  json: flag({ long: "json", description: "No effect: the output is always a JSON array" }),
};

export const inspect = command({
  path: ["machine", "inspect"],
  kind: "status",
  summary: "Print everything about machines as JSON",
  options,
  arguments: machineWords,
  text: `Prints a JSON array with an object for each machine: the keys of machine ls --json, env, and the
rest of its settings. Values of variables are printed as they are.`,
  examples: [{ command: "smolvm machine inspect web | jq '.[0].env'" }],
  run: async (invocation) => {
    const { machines, context } = await openMachines();
    const infos = machineNamesOf(invocation).map((name) => machines.inspectMachine(context, name));
    await printJson(infos.map(machines.inspectionJson));
    return 0;
  },
});
