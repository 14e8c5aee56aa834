import { openMachines } from "../../machines.ts";
import { machineWords, requiredName, requiredNamesOf } from "../../options/machine-name.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";
import { confirm } from "../../terminal/confirm.ts";

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
  run: async (invocation) => {
    const { values } = invocation;
    const { machines, context } = await openMachines();
    for (const name of requiredNamesOf(invocation)) {
      // Before anything is asked: there may be nothing to delete.
      machines.inspectMachine(context, name);
      if (!values.force && !(await confirm(`Delete machine '${name}'?`))) {
        await print("Cancelled\n");
        return 0;
      }
      await machines.deleteMachine(context, name);
      await print(`Cleaning up data directory for vm: ${name}\nDeleted machine: ${name}\n`);
    }
    return 0;
  },
});
