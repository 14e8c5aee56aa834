import { notWired } from "../../not-wired.ts";
import { machineName, machineWords } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  json: flag({ long: "json", description: "No effect: the output is always a JSON array" }),
};

export const inspect = command({
  path: ["machine", "inspect"],
  summary: "Print everything about machines as JSON",
  options,
  arguments: machineWords,
  text: `Prints a JSON array with an object for each machine: the keys of machine ls --json, env, and the
rest of its settings. Values of variables are printed as they are.`,
  examples: [{ command: "smolvm machine inspect web | jq '.[0].env'" }],
  run: () => notWired("machine inspect"),
});
