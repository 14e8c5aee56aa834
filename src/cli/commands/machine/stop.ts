import { isThere, openMachines } from "../../machines.ts";
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
};

export const stop = command({
  path: ["machine", "stop"],
  summary: "Stop machines; their disks stay",
  options,
  arguments: machineWords,
  text: `Asks the workload to end (the machine's stop signal, else its image's, else SIGTERM), gives it the
time of --stop-timeout, and ends everything else in order: what was written is on the disks. A
machine that does not run is left alone.

-t gives it another time, 0 none. -f is as if the plug was pulled: what was not yet written is lost.`,
  examples: [
    { command: "smolvm machine stop web" },
    { command: "smolvm machine stop -t 60 db" },
    { command: "smolvm machine stop --name web -f" },
  ],
  run: async (invocation) => {
    const { values } = invocation;
    const { machines, context } = await openMachines();
    const isNamed = givenName(invocation) !== undefined;
    for (const name of machineNamesOf(invocation)) {
      if (!isNamed && !isThere(machines, context, name)) {
        await print(`Machine '${name}' is not running\n`);
        continue;
      }
      if (machines.inspectMachine(context, name).status === "running")
        await print(`Stopping machine '${name}'...\n`);
      const { stopped, was } = await machines.stopMachine(context, name, {
        force: values.force,
        timeoutMs: values.time,
      });
      if (!stopped) await print(`Machine '${name}' is not running (state: ${was})\n`);
      else await print(isNamed ? `Stopped machine: ${name}\n` : `Machine '${name}' stopped\n`);
    }
    return 0;
  },
});
