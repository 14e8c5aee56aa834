import type { MachineInfo } from "../../../machine/index.ts";
import { isThere, openMachines, printMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { confine } from "../../options/confine.ts";
import { givenName, machineName, machineNamesOf, machineWords } from "../../options/machine-name.ts";
import { pullOptions, pullPolicy } from "../../options/pull-options.ts";
import { print, warn } from "../../output.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName, pull: pullPolicy, ...pullOptions, confine, json: jsonObject };

export const start = command({
  path: ["machine", "start"],
  duration: "slow",
  summary: "Start machines",
  options,
  arguments: machineWords,
  text: `Starts a machine and waits until it runs: its image is there, its disks are whole, its init commands
have run and its workload has been started. One that runs already is left alone.

Without NAME it is the machine called default, which is made when there is none.

The image is downloaded when it is not there yet; from then on the machine keeps that very image.
What init commands print is passed through.

--json prints the machine as machine status --json does; of several an array.`,
  examples: [
    { command: "smolvm machine start" },
    { command: "smolvm machine start web" },
    { command: "smolvm machine start --name web -q" },
  ],
  run: async (invocation) => {
    const { values } = invocation;
    const { machines, context } = await openMachines();
    const [{ startShown }, { describeStart }, { pullSettings }, { engineFromEnvironment }] =
      await Promise.all([
        import("../../work/start.ts"),
        import("../../show/start.ts"),
        import("../../options/pull-settings.ts"),
        import("../../options/engine.ts"),
      ]);
    const names = machineNamesOf(invocation);
    // The nameless machine is made when there is none.
    if (givenName(invocation) === undefined && !isThere(machines, context, "default"))
      machines.createMachine(context, machines.defaultSpec("default"), { ifNotExists: true });
    const started: MachineInfo[] = [];
    for (const name of names) {
      const result = await startShown(context, name, {
        ...pullSettings(values),
        engine: engineFromEnvironment(),
        pull: values.pull,
        confine: values.confine,
        quiet: values.quiet || values.json,
        progress: values.progress,
      });
      for (const note of result.report?.notes ?? []) warn(note);
      if (values.json) started.push(machines.inspectMachine(context, name));
      else await print(describeStart(name, result));
    }
    if (values.json) await printMachines(machines, started);
    return 0;
  },
});
