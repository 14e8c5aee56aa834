import { notWired } from "../../not-wired.ts";
import { jsonObject } from "../../options/common.ts";
import { machineName, machineWord } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName, json: jsonObject };

export const status = command({
  path: ["machine", "status"],
  summary: "Say whether a machine runs, and how it is",
  options,
  arguments: machineWord,
  text: `Prints the state of a machine: created, starting, running, stopping, stopped, failed, unreachable
(its process runs and does not answer), or unknown (made by a later smolvm). Then, where there is
something to say: its workload and how that ended, its health, restarts, and when it ends by itself.

--json prints an object with the keys of machine ls --json.

Exit code: 0 whatever the state; 1 when there is no such machine.`,
  examples: [
    { command: "smolvm machine status web" },
    { command: "smolvm machine status web --json | jq -r .state" },
  ],
  run: () => notWired("machine status"),
});
