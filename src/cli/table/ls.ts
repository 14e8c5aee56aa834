import { ExitCode } from "../../errors.ts";
import { type CommandSpec, flag } from "./types.ts";

export const listOptions = {
  json: flag({ long: "json", description: "Print a JSON array" }),
  verbose: flag({
    long: "verbose",
    short: "v",
    description: "Show process, image and command of each machine",
  }),
};

export const ls: CommandSpec<typeof listOptions> = {
  path: ["machine", "ls"],
  aliases: ["list"],
  summary: "List the machines",
  options: listOptions,
  arguments: { kind: "none" },
  failureCode: ExitCode.failure,
  details: async () => (await import("../help/ls.ts")).details,
  load: () => import("../commands/ls.ts"),
};
