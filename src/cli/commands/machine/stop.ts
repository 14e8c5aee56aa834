import type { MachineInfo } from "../../../machine/index.ts";
import { isThere, openMachines, printMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { givenName, machineName, machineNamesOf, machineWords } from "../../options/machine-name.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag, value } from "../../program/types.ts";
import { parsePatience } from "../../values/duration.ts";

const options = {
  name: machineName,
  time: value({
    long: "time",
    short: "t",
    placeholder: "TIME",
    description: "How long the workload may take to end (default: the machine's)",
    parse: parsePatience,
  }),
  force: flag({ long: "force", short: "f", description: "End it at once" }),
  json: jsonObject,
};

export const stop = command({
  path: ["machine", "stop"],
  duration: "med",
  summary: "Stop machines; their disks stay",
  options,
  arguments: machineWords,
  text: `Asks the workload to end (the machine's stop signal, else its image's, else SIGTERM), gives it the
time of --stop-timeout, and ends everything else in order: what was written is on the disks. A
machine that does not run is left alone.

-t gives it another time, 0 none. -f is as if the plug was pulled: what was not yet written is lost.

--json prints the machine as machine status --json does; of several an array.`,
  examples: [
    { command: "smolvm machine stop web" },
    { command: "smolvm machine stop -t 60 db" },
    { command: "smolvm machine stop --name web -f" },
  ],
  run: async (invocation) => {
    const { force, time: timeoutMs, json } = invocation.values;
    const { machines, context } = await openMachines();
    const say = async (line: string) => (json ? undefined : await print(`${line}\n`));
    const isNamed = givenName(invocation) !== undefined;
    const infos: MachineInfo[] = [];
    for (const name of machineNamesOf(invocation)) {
      if (!isNamed && !isThere(machines, context, name)) {
        await say(`Machine '${name}' is not running`);
        infos.push(machines.absentMachine(name));
        continue;
      }
      if (machines.inspectMachine(context, name, "outline").status === "running")
        await say(`Stopping machine '${name}'...`);
      const { stopped, was } = await machines.stopMachine(context, name, { force, timeoutMs });
      if (!stopped) await say(`Machine '${name}' is not running (state: ${was})`);
      else await say(isNamed ? `Stopped machine: ${name}` : `Machine '${name}' stopped`);
      if (json) infos.push(machines.inspectMachine(context, name, "outline"));
    }
    if (json) await printMachines(machines, infos);
    return 0;
  },
});
