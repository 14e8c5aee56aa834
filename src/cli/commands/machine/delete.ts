import { notWired } from "../../not-wired.ts";
import { machineWords, requiredName } from "../../options/machine-name.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: requiredName,
  force: flag({ long: "force", short: "f", description: "Also one that runs: end it first, at once" }),
};

export const remove = command({
  path: ["machine", "delete"],
  aliases: ["rm", "remove"],
  summary: "Delete machines with their disks",
  options,
  arguments: machineWords,
  text: `Deletes a machine with everything that it has: settings, disks, logs. Asks nothing. A machine that
runs is refused, unless -f is given: it is then ended at once.

It can take a list of names. The first failure ends it.`,
  examples: [
    { command: "smolvm machine delete web" },
    { command: "smolvm machine rm -f web db" },
    { command: "smolvm machine delete --name web --force" },
  ],
  run: () => notWired("machine delete"),
});
