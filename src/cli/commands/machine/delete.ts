import { openMachines } from "../../machines.ts";
import { machineWords, requiredName, requiredNamesOf } from "../../options/machine-name.ts";
import { print } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: requiredName,
  force: flag({ long: "force", short: "f", description: "Ask nothing" }),
};

export const remove = command({
  path: ["machine", "delete"],
  aliases: ["rm", "remove"],
  summary: "Delete machines with their disks",
  options,
  arguments: machineWords,
  text: `Deletes a machine with everything that it has: settings, disks, logs. One that runs is ended first,
at once. Without -f it asks before, and takes what stdin says: anything but yes, the end of it too,
is no, and the exit code is 0.

It can take a list of names. The first failure ends it.`,
  examples: [
    { command: "smolvm machine delete web" },
    { command: "smolvm machine rm -f web db" },
    { command: "smolvm machine delete --name web --force" },
  ],
  run: async (invocation) => {
    const { values } = invocation;
    const [{ machines, context }, { confirm }] = await Promise.all([
      openMachines(),
      import("../../terminal/confirm.ts"),
    ]);
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
