import { pruneOptions } from "../../options/image-options.ts";
import { command } from "../../program/command.ts";
import { value } from "../../program/types.ts";
import { parseText } from "../../values/text.ts";
import { pruneAll } from "../images/prune.ts";

const options = {
  name: value({
    long: "name",
    short: "n",
    placeholder: "NAME",
    description: "A machine that must exist; all machines share the images",
    parse: parseText,
  }),
  ...pruneOptions,
};

export const machinePrune = command({
  path: ["machine", "prune"],
  summary: "Remove layers of images that nobody needs",
  options,
  text: `The same as images prune. Images are kept on the host, and all machines share them: with --name it
fails when there is no such machine, and otherwise does the same. What a machine uses stays.`,
  examples: [{ command: "smolvm machine prune --dry-run" }, { command: "smolvm machine prune --all" }],
  /** Images are shared by all machines: a name only says that the user expects that machine to be there. */
  run: async ({ values }) => {
    if (values.name !== undefined) {
      const [{ inspectMachine }, { makeContext }] = await Promise.all([
        import("../../../machine/index.ts"),
        import("../../context.ts"),
      ]);
      inspectMachine(makeContext(), values.name);
    }
    return pruneAll(values);
  },
});
