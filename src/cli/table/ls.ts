import { command } from "./command.ts";
import { flag } from "./types.ts";

export const listOptions = {
  json: flag({ long: "json", description: "Print a JSON array" }),
  verbose: flag({
    long: "verbose",
    short: "v",
    description: "Show process, image, command and environment of each machine",
  }),
};

export const ls = command({
  path: ["machine", "ls"],
  aliases: ["list"],
  summary: "List the machines",
  options: listOptions,
  details: async () => (await import("../help/ls.ts")).details,
  load: () => import("../commands/ls.ts"),
});
