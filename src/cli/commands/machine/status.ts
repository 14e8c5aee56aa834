import { isThere, openMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { givenName, machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName, json: jsonObject };

export const status = command({
  path: ["machine", "status"],
  kind: "status",
  summary: "Say whether a machine runs, and how it is",
  options,
  arguments: machineWord,
  text: `Prints the state of a machine: created, starting, running, stopping, stopped, failed, unreachable
(its process runs and does not answer), or unknown (made by a later smolvm). Then, where there is
something to say: its workload and how that ended, its health, restarts, and when it ends by itself.

--json prints an object with the keys of machine ls --json. The machine called default is "stopped"
when nobody has made it.

Exit code: 0 whatever the state; 1 when there is no such machine.`,
  examples: [
    { command: "smolvm machine status web" },
    { command: "smolvm machine status web --json | jq -r .state" },
  ],
  run: async (invocation) => {
    const { values } = invocation;
    const { machines, context } = await openMachines();
    const name = machineNameOf(invocation);
    if (givenName(invocation) === undefined && !isThere(machines, context, name)) {
      if (values.json) await printJson(machines.machineJson(machines.absentMachine(name)));
      else await print(`Machine '${name}': not running\n`);
      return 0;
    }
    const info = await machines.askMachine(context, name);
    const { formatStatus } = await import("../../show/status.ts");
    if (values.json) await printJson(machines.machineJson(info));
    else await print(formatStatus(info));
    return 0;
  },
});
