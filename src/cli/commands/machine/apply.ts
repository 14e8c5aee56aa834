import { jsonObject } from "../../options/common.ts";
import { machineName } from "../../options/machine-name.ts";
import { machineAndPaths, pathWords } from "../../options/workspace-options.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  yes: flag({ long: "yes", short: "y", description: "Ask nothing" }),
  dryRun: flag({ long: "dry-run", description: "Only say what would be applied, and what not" }),
  atomic: flag({ long: "atomic", description: "Apply nothing at all when there is a conflict" }),
  json: jsonObject,
};

export const apply = command({
  path: ["machine", "apply"],
  duration: "med",
  interactive: true,
  summary: "Bring what a machine has changed in its workspaces to the host",
  options,
  arguments: pathWords,
  text: `Lists what machine diff shows, asks, and brings it to the host's folder: all of it, or what is at or
below the paths. What was applied is no change any more. The machine may run or not; what its guest
changes after the question has been asked is not applied.

What has changed on the host since the guest changed it is a conflict: the host's file stays as it
is, the guest's change stays to be looked at, everything else is applied, and the exit code is 1.
With --atomic, a conflict means that nothing is applied. Each file appears complete. Set-user-ID and
set-group-ID bits are not brought to the host, FIFOs and sockets neither; links are, as links. Notes
on stderr name what programs of the host may run unasked, as hooks of git, and links that lead out.

--json prints {"applied":[CHANGE...],"kept":[{CHANGE,"reason"}...]}, with CHANGE as in machine diff
--json.`,
  examples: [
    { command: "smolvm machine apply agent" },
    { command: "smolvm machine apply agent -y src/ README.md" },
    { command: "smolvm machine apply agent --dry-run" },
  ],
  run: async ({ values, words }) => {
    const [{ applyWorkspaces }, { openMachines }] = await Promise.all([
      import("../../work/apply.ts"),
      import("../../machines.ts"),
    ]);
    const { name, paths } = machineAndPaths({ values, words });
    return await applyWorkspaces(await openMachines(), name, paths, values);
  },
});
