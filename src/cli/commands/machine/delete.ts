import { messageOf } from "../../../errors.ts";
import { type Machines, openMachines } from "../../machines.ts";
import { jsonObject } from "../../options/common.ts";
import { machineWords, requiredName, requiredNamesOf } from "../../options/machine-name.ts";
import { print, printJson } from "../../output.ts";
import { command } from "../../program/command.ts";
import { flag } from "../../program/types.ts";

const options = {
  name: requiredName,
  force: flag({ long: "force", short: "f", description: "Ask nothing" }),
  json: jsonObject,
};

export const remove = command({
  path: ["machine", "delete"],
  aliases: ["rm", "remove"],
  duration: "med",
  interactive: true,
  summary: "Delete machines with their disks",
  options,
  arguments: machineWords,
  text: `Deletes a machine with everything that it has: settings, disks, logs, workspaces. One that
runs is ended first, at once. Without -f it asks before on stderr, says whether changes in
workspaces would be lost, and reads a line of stdin: anything but y or yes, the end of stdin too, is
no, and the exit code is 0. Where stdin is /dev/null nobody can answer: exit code 1.

It can take a list of names. The first failure ends it. --json prints {"deleted":[NAME...]}.`,
  examples: [
    { command: "smolvm machine delete web" },
    { command: "smolvm machine rm -f web db" },
    { command: "smolvm machine delete --name web --force" },
  ],
  run: async (invocation) => {
    const { force, json } = invocation.values;
    const { machines, context } = await openMachines();
    const say = async (line: string) => (json ? undefined : await print(`${line}\n`));
    const questions = force ? undefined : new (await import("../../terminal/questions.ts")).Questions();
    const deleted: string[] = [];
    for (const name of requiredNamesOf(invocation)) {
      // Before anything is asked: there may be nothing to delete.
      machines.inspectMachine(context, name, "outline");
      if (questions !== undefined) {
        const lost = await whatIsLost(() => machines.unappliedChanges(context, name));
        const withoutAsking = `smolvm machine delete --name ${name} -f deletes it without asking`;
        if (!(await questions.confirm(`${lost}Delete machine '${name}'?`, withoutAsking))) {
          await say("Cancelled");
          continue;
        }
      }
      await say(`Cleaning up data directory for vm: ${name}`);
      await machines.deleteMachine(context, name);
      await say(`Deleted machine: ${name}`);
      deleted.push(name);
    }
    if (json) await printJson({ deleted });
    return 0;
  },
});

type Unapplied = Awaited<ReturnType<Machines["unappliedChanges"]>>;

/** Changes that are nowhere but in the machine. What cannot be read keeps nobody from deleting it. */
async function whatIsLost(look: () => Promise<Unapplied>): Promise<string> {
  let unapplied: Unapplied;
  try {
    unapplied = await look();
  } catch (error) {
    return `What is in its workspaces cannot be told: ${messageOf(error)}. `;
  }
  return unapplied
    .map(({ workspace, changes }) => {
      const many = changes.length === 1 ? "1 change" : `${changes.length} changes`;
      return `${many} in its workspace ${workspace.target} would be lost (smolvm machine diff). `;
    })
    .join("");
}
