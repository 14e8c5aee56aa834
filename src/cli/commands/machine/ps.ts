import { openMachines } from "../../machines.ts";
import { jsonArray } from "../../options/common.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  quiet: flag({ long: "quiet", short: "q", description: "Print ids only, one a line" }),
  json: jsonArray,
};

export const ps = command({
  path: ["machine", "ps"],
  kind: "status",
  summary: "List the processes that were started in a machine",
  options,
  arguments: machineWord,
  text: `Lists the workload and what exec -d started, the latest first: ID, state, since when, and the
command. A process that has ended is listed for an hour, until its machine stops, or until 64 others
have ended. For all processes of the guest: machine exec -- ps.

--json prints an array of objects with the keys id, name (workload, or null), command, user, tty,
pid (in the guest), state (running, exited or lost), running, started_at, ended_at, exit_code,
signal, oom_killed and attached (how many clients).`,
  examples: [{ command: "smolvm machine ps web" }, { command: "smolvm machine ps --json" }],
  run: async (invocation) => {
    const { values } = invocation;
    const { machines, context } = await openMachines();
    const machine = await machines.connectMachine(context, machineNameOf(invocation));
    try {
      const processes = await machines.listProcesses(machine);
      const { formatProcesses, processJson } = await import("../../show/processes.ts");
      if (values.json) await printJson(processes.map(processJson));
      else if (values.quiet) await print(processes.map(({ id }) => `${id}\n`).join(""));
      else await print(formatProcesses(processes));
      return 0;
    } finally {
      machine.close();
    }
  },
});
