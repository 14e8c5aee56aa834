import { openMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { machineWord, requiredName, requiredNameOf } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";

const options = { name: requiredName, json: jsonObject };

export const dataDir = command({
  path: ["machine", "data-dir"],
  kind: "status",
  summary: "Print the directory of a machine's files",
  options,
  arguments: machineWord,
  text: `Prints the path of the directory with the machine's disks and logs, whether there is such a machine
or not. Change nothing in it while the machine runs; when it is removed, the next start makes new,
empty disks. The machine's settings are not in it.

--json prints {"name","path"}.`,
  examples: [{ command: 'ls "$(smolvm machine data-dir web)"' }],
  run: async (invocation) => {
    const { machines, context } = await openMachines();
    const name = machines.checkMachineName(requiredNameOf(invocation));
    const path = machines.dataDirectory(context.paths, name);
    if (invocation.values.json) await printJson({ name, path });
    else await print(`${path}\n`);
    return 0;
  },
});
