import { openMachines } from "../../machines.ts";
import { machineWord, requiredName, requiredNameOf } from "../../options/machine-name.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";

const options = { name: requiredName };

export const dataDir = command({
  path: ["machine", "data-dir"],
  summary: "Print the directory of a machine's files",
  options,
  arguments: machineWord,
  text: `Prints the path of the directory with the machine's disks and logs, whether there is such a machine
or not. Change nothing in it while the machine runs; when it is removed, the next start makes new,
empty disks. The machine's settings are not in it.`,
  examples: [{ command: 'ls "$(smolvm machine data-dir web)"' }],
  run: async (invocation) => {
    const { machines, context } = await openMachines();
    const name = machines.checkMachineName(requiredNameOf(invocation));
    await print(`${machines.dataDirectory(context.paths, name)}\n`);
    return 0;
  },
});
