import { openMachines } from "../../machines.ts";
import { givenName, machineName, machineNamesOf, machineWords } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: { ...machineName, description: "Only this machine (default: $SMOLVM_MACHINE_NAME, else all)" },
  noStream: flag({ long: "no-stream", description: "Print the first figures only" }),
  json: flag({ long: "json", description: "Print JSON objects, one a line" }),
};

export const stats = command({
  path: ["machine", "stats"],
  kind: "status",
  duration: "med",
  summary: "Show what machines use: processor, memory, disks",
  options,
  arguments: machineWords,
  text: `Shows for each machine that runs, or for those that are named: processor time (100% is all of one
virtual CPU), memory of its programs and of the host, what its disks hold, and processes. A new
table every second, until Ctrl-C or the last of them ends.

--json prints one object a line for each machine and second, with the keys name, cpu_percent,
memory_bytes, memory_total_bytes, memory_available_bytes, host_memory_bytes, processes, root_disk
and storage_disk.`,
  examples: [
    { command: "smolvm machine stats" },
    { command: "smolvm machine stats --no-stream web" },
    { command: "smolvm machine stats --json web" },
  ],
  run: async (invocation) => {
    const { showStats } = await import("../../work/stats.ts");
    const { machines, context } = await openMachines();
    const isNamed = givenName(invocation) !== undefined;
    const running = machines.listMachines(context).filter(({ status }) => status === "running");
    const names = isNamed ? machineNamesOf(invocation) : running.map(({ name }) => name);
    await showStats(machines, context, names, invocation.values);
    return 0;
  },
});
