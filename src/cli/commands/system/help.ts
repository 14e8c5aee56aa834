import { command } from "../../program/command.ts";

export const help = command({
  path: ["help"],
  summary: "Print the manual, or a command's help",
  options: {},
  arguments: { kind: "words", placeholder: "[COMMAND...]", min: 0, max: 3 },
  text: "Without a command, prints the manual; with one, the same as its --help.",
  examples: [{ command: "smolvm help machine run" }],
  /** The same as `COMMAND --help`. */
  run: async ({ words }, program) => {
    const [{ printHelp }, { parseOrExplain }] = await Promise.all([
      import("../../help/index.ts"),
      import("../../interpret.ts"),
    ]);
    const parsed = await parseOrExplain(program, [...words, "--help"]);
    await printHelp(program, parsed.kind === "help" ? parsed.topic : [], true);
    return 0;
  },
});
