import { jsonArray } from "../../options/common.ts";
import { vmWord } from "../../options/container-options.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  all: flag({ long: "all", short: "a", description: "Also those that do not run" }),
  quiet: flag({ long: "quiet", short: "q", description: "Print ids only, one a line" }),
  json: jsonArray,
};

export const containerList = command({
  path: ["container", "ls"],
  aliases: ["list"],
  kind: "status",
  summary: "List the containers of a machine",
  options,
  arguments: vmWord,
  text: `Lists the containers of the machine VM that run, the oldest first; with -a all, also of a machine
that does not run. Looking changes nothing and starts nothing.

--json prints an array of objects with the keys id, image, image_id, state (created, running or
exited), command, created_at and started_at (seconds since 1970), exit_code, signal and
out_of_memory.`,
  examples: [{ command: "smolvm container ls web" }, { command: "smolvm container ls -a web --json" }],
  run: async ({ values, words: [vm = ""] }) => {
    const [{ listContainers }, { containerJson, formatContainers }, { makeContext }] = await Promise.all([
      import("../../../machine/index.ts"),
      import("../../show/containers.ts"),
      import("../../context.ts"),
    ]);
    const { all, json, quiet } = values;
    const known = await listContainers(makeContext(), vm);
    const containers = known.filter(({ state }) => all || state === "running");
    if (json) await printJson(containers.map(containerJson));
    else if (quiet) await print(containers.map(({ id }) => `${id}\n`).join(""));
    else await print(formatContainers(containers));
    return 0;
  },
});
