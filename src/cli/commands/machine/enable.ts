import { notWired } from "../../not-wired.ts";
import { machineName, machineWord } from "../../options/machine-name.ts";
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
  run: () => notWired("machine enable"),
});
