import { containersWords } from "../../options/container-options.ts";
import { command } from "../../program/command.ts";
import { value } from "../../program/types.ts";
import { parsePatience } from "../../values/duration.ts";
import { eachContainer } from "./each.ts";

const options = {
  time: value({
    long: "time",
    short: "t",
    placeholder: "TIME",
    description: "How long its command may take to end (default: 10s)",
    parse: parsePatience,
  }),
};

export const containerStop = command({
  path: ["container", "stop"],
  duration: "med",
  summary: "Stop containers of a machine; their files stay",
  options,
  arguments: containersWords,
  text: `Asks the command of each container to end (the image's STOPSIGNAL, else SIGTERM), ends it when it
has not after the time of -t, and prints the ids. One that does not run is left alone. ID may be the
start of an id. -t 0 ends it at once.`,
  examples: [
    { command: "smolvm container stop web 3f2a" },
    { command: "smolvm container stop -t 1m web 3f2a" },
  ],
  run: async ({ values, words }) => {
    const { stopContainer } = await import("../../../machine/index.ts");
    return await eachContainer(words, (machine, id) => stopContainer(machine, id, values.time));
  },
});
