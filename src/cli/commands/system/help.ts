import { jsonObject } from "../../options/common.ts";
import { command } from "../../program/command.ts";

export const help = command({
  path: ["help"],
  kind: "meta",
  summary: "Print the manual, or a command's help",
  options: { json: { ...jsonObject, description: "Print a JSON object: the commands, for programs" } },
  arguments: { kind: "words", placeholder: "[COMMAND...]", min: 0, max: 3 },
  text: `Without a command, prints the manual; with one, the same as its --help.

--json prints an object with what a program has to know to call the commands, all or those below
COMMAND: words, options, exit codes, how long each takes, whether it prints JSON. The schema is
docs/schema/help.schema.json. --help --json does the same.`,
  examples: [
    { command: "smolvm help machine run" },
    { command: "smolvm help --json | jq -r '.methods[].method'" },
  ],
  /** The same as `COMMAND --help`. */
  run: async ({ words, values }, program) => {
    const [{ printHelp }, { parseOrExplain }] = await Promise.all([
      import("../../help/index.ts"),
      import("../../interpret.ts"),
    ]);
    const parsed = await parseOrExplain(program, [...words, "--help"]);
    await printHelp(program, parsed.kind === "help" ? parsed.topic : [], values.json ? "json" : "long");
    return 0;
  },
});
