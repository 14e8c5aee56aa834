import { notWired } from "../../not-wired.ts";
import { machineWord, requiredName } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";

const options = { name: requiredName };

export const dataDir = command({
  path: ["machine", "data-dir"],
  summary: "Print the directory of a machine's files",
  options,
  arguments: machineWord,
  text: `Prints the path of the directory that the machine has, or would have. Change nothing in it while the
machine runs.`,
  examples: [{ command: 'ls "$(smolvm machine data-dir web)"' }],
  run: () => notWired("machine data-dir"),
});
