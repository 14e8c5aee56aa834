import type { MachineRecord } from "../../../machine/index.ts";
import { openMachines } from "../../machines.ts";
import { machineName, machineNameOf, machineWord } from "../../options/machine-name.ts";
import { print, warn } from "../../output.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName };

/** What a start by the host will not find: it has none of the user's environment. */
function missingThen(record: MachineRecord | undefined): string[] {
  const variables = (record?.secrets ?? []).flatMap(({ from, source }) => (from === "env" ? [source] : []));
  if (record?.sshAgent) variables.push("SSH_AUTH_SOCK");
  if (variables.length === 0) return [];
  return [
    `the machine will not start with the host unless that sets ${variables.join(", ")} for its services`,
  ];
}

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
    for (const sentence of [...advice, ...missingThen(record)]) warn(sentence);
    return 0;
  },
});
