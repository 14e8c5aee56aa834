import { containersWords } from "../../options/container-options.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";
import { eachContainer } from "./each.ts";

const options = {
  force: flag({ long: "force", short: "f", description: "Also one that runs: it is ended at once" }),
};

export const containerRemove = command({
  path: ["container", "rm"],
  aliases: ["remove"],
  duration: "med",
  summary: "Remove containers of a machine with their files",
  options,
  arguments: containersWords,
  text: `Removes containers with everything that they have written, but for what lies in volumes, and prints
their ids. The copy of an image goes with its last container. ID may be the start of an id.`,
  examples: [
    { command: "smolvm container rm web 3f2a" },
    { command: "smolvm container rm -f web $(smolvm container ls -aq web)", comment: "all of them" },
  ],
  run: async ({ values, words }) => {
    const { removeContainer } = await import("../../../machine/index.ts");
    return await eachContainer(words, (machine, id) => removeContainer(machine, id, values.force));
  },
});
