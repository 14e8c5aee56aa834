import { containersWords } from "../../options/container-options.ts";
import { command } from "../../program/command.ts";
import { eachContainer } from "./each.ts";

export const containerStart = command({
  path: ["container", "start"],
  duration: "med",
  summary: "Start containers of a machine",
  options: {},
  arguments: containersWords,
  text: `Starts containers of the machine VM, waits until their commands run, and prints their ids. One that
runs already is left alone; one that has ended starts with the files that it has left. ID may be the
start of an id.

What a container prints is the output of a process of the machine: machine logs VM ID.`,
  examples: [
    { command: "smolvm container start web 3f2a" },
    { command: "smolvm container start web $(smolvm container ls -aq web)", comment: "all of them" },
  ],
  run: async ({ words }) => {
    const { startContainer } = await import("../../../machine/index.ts");
    return await eachContainer(words, startContainer);
  },
});
