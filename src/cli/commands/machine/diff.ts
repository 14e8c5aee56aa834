import { jsonArray } from "../../options/common.ts";
import { machineName } from "../../options/machine-name.ts";
import { machineAndPaths, pathWords } from "../../options/workspace-options.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: machineName,
  stat: flag({ long: "stat", description: "Print how many lines of each file changed" }),
  nameOnly: flag({ long: "name-only", description: "Print paths" }),
  nameStatus: flag({ long: "name-status", description: "Print paths, and what became of each" }),
  exitCode: flag({ long: "exit-code", description: "Exit with 1 when something has changed" }),
  json: jsonArray,
};

export const diff = command({
  path: ["machine", "diff"],
  kind: "status",
  duration: "med",
  summary: "Show what a machine has changed in its workspaces",
  options,
  arguments: pathWords,
  text: `A workspace is a folder of the host that the guest may change without changing it: -v
./src:/src:overlay. This shows what the guest has changed, as git diff does, and what stands in the
way of bringing it to the host, in lines that begin with #. git apply understands it. The machine
may run or not; nothing is asked of the guest.

PATH is a path in the folder (lib/main.c) or, where there are several workspaces, in the guest
(/src/lib/main.c). With --name, all words are paths; else the first one is the machine, unless it
has a slash.
--name-status prints A (added), M (modified), D (deleted), T (another kind of file), R (renamed).

--json prints [{"workspace","path","status","renamed_from","kind","old_mode","new_mode","size",
"conflict"}].`,
  examples: [
    { command: "smolvm machine diff agent" },
    { command: "smolvm machine diff agent --stat" },
    { command: "smolvm machine diff agent lib/ > agent.patch" },
  ],
  run: async ({ values, words }) => {
    const [{ showChanges }, { openMachines }] = await Promise.all([
      import("../../work/diff.ts"),
      import("../../machines.ts"),
    ]);
    const { name, paths } = machineAndPaths({ values, words });
    return await showChanges(await openMachines(), name, paths, values);
  },
});
