import { notWired } from "../../not-wired.ts";
import { machineName, machineWords } from "../../options/machine-name.ts";
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
  run: () => notWired("machine stop"),
});
