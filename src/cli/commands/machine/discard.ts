import { jsonObject } from "../../options/common.ts";
import { machineName } from "../../options/machine-name.ts";
import { machineAndPaths, pathWords } from "../../options/workspace-options.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  yes: flag({ long: "yes", short: "y", description: "Ask nothing" }),
  dryRun: flag({ long: "dry-run", description: "Only say what would be discarded" }),
  json: jsonObject,
};

export const discard = command({
  path: ["machine", "discard"],
  duration: "med",
  interactive: true,
  summary: "Throw away what a machine has changed in its workspaces",
  options,
  arguments: pathWords,
  text: `Lists what machine diff shows, asks, and throws it away: all of it, or what is at or below PATH. The
guest then sees the host's files again. The host's folder is not touched. Programs in a running
guest that have such a file open keep it until they close it.

--json prints {"discarded":[CHANGE...]}, with CHANGE as in machine diff --json.`,
  examples: [
    { command: "smolvm machine discard agent" },
    { command: "smolvm machine discard agent -y node_modules/" },
  ],
  run: async ({ values, words }) => {
    const [{ discardWorkspaces }, { openMachines }] = await Promise.all([
      import("../../work/discard.ts"),
      import("../../machines.ts"),
    ]);
    const { name, paths } = machineAndPaths({ values, words });
    return await discardWorkspaces(await openMachines(), name, paths, values);
  },
});
