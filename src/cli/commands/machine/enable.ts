import { openMachines } from "../../machines.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, warn } from "../../output.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName };

export const enable = command({
  path: ["machine", "enable"],
  summary: "Start a machine with the host",
  options,
  arguments: machineWord,
  text: `Makes the host start the machine when it starts itself: by a systemd unit of the user on Linux, by a
launchd agent on macOS. Says what to do where units of a user run only while that user is logged in.
The machine is neither started nor stopped now.`,
  examples: [{ command: "smolvm machine enable web" }],
  run: async (invocation) => {
    const [{ machines, context }, { enableAutostart }] = await Promise.all([
      openMachines(),
      import("../../../machine/autostart/index.ts"),
    ]);
    const name = machineNameOf(invocation);
    const { record } = machines.inspectMachine(context, name);
    const { service, path, advice } = await enableAutostart(context, {
      name,
      program: process.execPath,
      stopTimeoutMs: record?.stopTimeoutMs ?? 0,
    });
    await print(`Machine '${name}' starts with the host (${service})\n  ${path}\n`);
    for (const sentence of advice) warn(sentence);
    return 0;
  },
});
