import { pruneOptions } from "../../options/image-options.ts";
import { givenName, machineName, machineWord } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { pruneAll } from "../images/prune.ts";

const options = {
  name: { ...machineName, description: "A machine that must exist; all machines share the images" },
  ...pruneOptions,
};

export const machinePrune = command({
  path: ["machine", "prune"],
  summary: "Remove layers of images that nobody needs",
  options,
  arguments: machineWord,
  text: `The same as images prune. Images are kept on the host, and all machines share them: with --name it
fails when there is no such machine, and otherwise does the same. What a machine uses stays.`,
  examples: [{ command: "smolvm machine prune --dry-run" }, { command: "smolvm machine prune --all" }],
  /** Images are shared by all machines: a name only says that the user expects that machine to be there. */
  run: async ({ values, words }) => {
    const name = givenName({ values, words });
    if (name !== undefined) {
      const [{ inspectMachine }, { makeContext }] = await Promise.all([
        import("../../../machine/index.ts"),
        import("../../context.ts"),
      ]);
      inspectMachine(makeContext(), name);
    }
    return pruneAll(values);
  },
});
