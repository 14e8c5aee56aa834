import { discardChanges, openWorkspace } from "../../workspace/index.ts";
import { print, printJson } from "../output.ts";
import { changeJson, count, isListed } from "../show/workspace.ts";
import { Questions } from "../terminal/questions.ts";
import { findChanges, type Opened, printList, total } from "./workspaces.ts";

export interface DiscardCommand {
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Carries out `machine discard`; returns its exit code. */
export async function discardWorkspaces(
  opened: Opened,
  name: string,
  words: readonly string[],
  { yes, dryRun, json }: DiscardCommand,
): Promise<number> {
  const found = await findChanges(opened, name, words);
  if (!json && (!yes || dryRun)) await printList(found, false);
  const question = `Discard ${count(total(found), "change")}?`;
  const instead = `smolvm machine discard --name ${name} -y discards them`;
  if (!dryRun && !yes && found.length > 0 && !(await new Questions().confirm(question, instead))) {
    if (!json) await print("Cancelled\n");
    return 0;
  }
  const discarded = found.flatMap(({ workspace, paths, changes }) => {
    if (dryRun) return changes.filter(isListed).map((change) => changeJson(workspace.target, change));
    using open = openWorkspace(workspace, "change");
    return discardChanges(open, paths)
      .filter(isListed)
      .map((change) => changeJson(workspace.target, change));
  });
  if (json) await printJson({ discarded });
  else if (found.length === 0) await print("Nothing has changed\n");
  else if (!dryRun) await print(`Discarded ${count(discarded.length, "change")}\n`);
  return 0;
}
