import { openMachines } from "../../machines.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, warn } from "../../output.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName };

export const disable = command({
  path: ["machine", "disable"],
  summary: "No longer start a machine with the host",
  options,
  arguments: machineWord,
  text: `Takes back what machine enable did. The machine is neither started nor stopped now.`,
  examples: [{ command: "smolvm machine disable web" }],
  run: async (invocation) => {
    const [{ context }, { disableAutostart }] = await Promise.all([
      openMachines(),
      import("../../../machine/autostart/index.ts"),
    ]);
    const name = machineNameOf(invocation);
    const report = await disableAutostart(context, name);
    if (report === undefined) await print(`Machine '${name}' did not start with the host\n`);
    else await print(`Machine '${name}' no longer starts with the host\n`);
    for (const sentence of report?.advice ?? []) warn(sentence);
    return 0;
  },
});
