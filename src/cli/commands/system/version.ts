import { jsonObject } from "../../options/common.ts";
import { command } from "../../program/command.ts";
import { printVersion } from "../../version.ts";

export const version = command({
  path: ["version"],
  kind: "meta",
  summary: "Print the version",
  options: { json: jsonObject },
  text: `Prints the same as --version. --json prints {"name","version"}.`,
  examples: [{ command: "smolvm version" }, { command: "smolvm version --json | jq -r .version" }],
  run: async ({ values }, program) => {
    await printVersion(program, values.json);
    return 0;
  },
});
