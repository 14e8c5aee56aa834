import { notWired } from "../../not-wired.ts";
import { jsonArray } from "../../options/common.ts";
import { machineName, machineWord } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  quiet: flag({ long: "quiet", short: "q", description: "Print ids only, one a line" }),
  json: jsonArray,
};

export const ps = command({
  path: ["machine", "ps"],
  summary: "List the processes that were started in a machine",
  options,
  arguments: machineWord,
  text: `Lists the workload, what machine exec runs, and what exec -d started: ID, state, since when, and the
command. A process that has ended is listed until its machine stops, with its exit code; the oldest
ones go first when there are many. For all processes of the guest: machine exec -- ps.

--json prints an array of objects with the keys id, command, user, running, started_at, ended_at,
exit_code, signal and detached.`,
  examples: [{ command: "smolvm machine ps web" }, { command: "smolvm machine ps --json" }],
  run: () => notWired("machine ps"),
});
