import { notWired } from "../../not-wired.ts";
import { machineName, machineWord } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";

const options = { name: machineName };

export const disable = command({
  path: ["machine", "disable"],
  summary: "No longer start a machine with the host",
  options,
  arguments: machineWord,
  text: `Takes back what machine enable did. The machine is neither started nor stopped now.`,
  examples: [{ command: "smolvm machine disable web" }],
  run: () => notWired("machine disable"),
});
