import type { Context } from "../../context.ts";
import type { MachineWorkspace, WorkspaceSelection } from "../../machine/index.ts";
import { type Change, changesOf, hasWorkspace, openWorkspace, selected } from "../../workspace/index.ts";
import type { Machines } from "../machines.ts";
import { print } from "../output.ts";
import { changeLine, conflictWords, isListed } from "../show/workspace.ts";

export interface Opened {
  readonly machines: Machines;
  readonly context: Context;
}

/** Changes in one workspace. */
export interface Found {
  readonly workspace: MachineWorkspace;
  readonly paths: WorkspaceSelection["paths"];
  readonly changes: readonly Change[];
}

/** What of a machine's workspaces is meant, without those in which nothing has changed. */
export async function findChanges(
  { machines, context }: Opened,
  name: string,
  words: readonly string[],
): Promise<Found[]> {
  const all = await machines.machineWorkspaces(context, name);
  const selections = await machines.selectWorkspaces(name, all, words);
  return selections.flatMap(({ workspace, paths }) => {
    if (!hasWorkspace(workspace.directory)) return [];
    using opened = openWorkspace(workspace, "read");
    const changes = selected(changesOf(opened), paths);
    return changes.length === 0 ? [] : [{ workspace, paths, changes }];
  });
}

/** What is about to happen, for who is asked. */
export async function printList(found: readonly Found[], withConflicts: boolean): Promise<void> {
  for (const { workspace, changes } of found) {
    await print(`${workspace.target} (${workspace.folder}):\n`);
    const lines = changes.filter(isListed).map((change) => {
      const { conflict } = change;
      const note = conflict === undefined || !withConflicts ? "" : `  (conflict: ${conflictWords[conflict]})`;
      return `  ${changeLine(change)}${note}\n`;
    });
    await print(lines.join(""));
  }
}

export const total = (found: readonly Found[]): number =>
  found.reduce((sum, { changes }) => sum + changes.filter(isListed).length, 0);
