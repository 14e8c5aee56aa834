import { notWired } from "../../not-wired.ts";
import { jsonObject } from "../../options/common.ts";
import { machineName, machineWords } from "../../options/machine-name.ts";
import { pullOptions, pullPolicy } from "../../options/pull-options.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName, pull: pullPolicy, ...pullOptions, json: jsonObject };

export const start = command({
  path: ["machine", "start"],
  summary: "Start machines",
  options,
  arguments: machineWords,
  text: `Starts a machine and waits until it runs: its image is there, its disks are whole, its init commands
have run and its workload has been started. One that runs already is left alone.

Without NAME it is the machine called default, which is made when there is none.

The image is downloaded when it is not there yet; from then on the machine keeps that very image.
What init commands print is passed through.`,
  examples: [
    { command: "smolvm machine start" },
    { command: "smolvm machine start web" },
    { command: "smolvm machine start --name web -q" },
  ],
  run: () => notWired("machine start"),
});
