import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { changeOptions } from "../../options/machine-options.ts";
import { command } from "../../program/command.ts";
import { value } from "../../program/types.ts";
import { parseDuration } from "../../values/duration.ts";

const { restart, healthCommand, healthTimeout, healthRetries } = changeOptions;

const options = {
  name: machineName,
  restart,
  healthCommand,
  healthTimeout,
  healthRetries,
  interval: value({
    long: "interval",
    placeholder: "TIME",
    description: "Time between checks",
    defaultText: "the machine's, else 5s",
    parse: parseDuration,
  }),
};

export const monitor = command({
  path: ["machine", "monitor"],
  duration: "slow",
  summary: "Watch over a machine in the foreground",
  options,
  arguments: machineWord,
  text: `Shows what happens to a machine, a line for each event: starts, ends of its workload, checks of its
health, restarts. A machine that does not run is started. Options are in effect as long as this
command runs; the machine watches over itself by those that it was made with.

When this command ends, by Ctrl-C too, the machine goes on.`,
  examples: [
    { command: "smolvm machine monitor web" },
    { command: 'smolvm machine monitor web --restart always --health-cmd "wget -qO- localhost"' },
  ],
  run: async (invocation) => {
    const { monitorMachine } = await import("../../work/monitor.ts");
    return await monitorMachine(machineNameOf(invocation), invocation.values);
  },
});
