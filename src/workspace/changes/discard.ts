import { SmolError } from "../../errors.ts";
import type { Names } from "../host-folder.ts";
import { type Entry, ROOT } from "../index-file.ts";
import { removeGhostTree } from "../layer/ghosts.ts";
import type { OpenWorkspace } from "../workspace.ts";
import { type Change, changesOf, isSelected } from "./changes.ts";
import { letGo, openUp, tidy } from "./settle.ts";

/**
 * Throws changes of the guest's away: it sees the host's files again. Files that it has open stay what they are for who
 * has them open.
 *
 * @param paths each with all below it; undefined: everything
 * @returns the changes that are gone
 * @throws SmolError `workspace.inside_removed`
 */
export function discardChanges(
  workspace: OpenWorkspace,
  paths?: readonly Names[] | undefined,
): readonly Change[] {
  const { index } = workspace;
  const changes = changesOf(workspace).filter(({ names }) => isSelected(names, paths));
  index.change(() => {
    for (const path of paths ?? [[]]) discardBelow(workspace, path);
    if (!workspace.isServed) tidy(workspace, ROOT);
  });
  return changes;
}

function discardBelow(workspace: OpenWorkspace, path: Names): void {
  const { index } = workspace;
  let directory = ROOT;
  for (const [at, name] of path.entries()) {
    const entry = index.entry(directory, name);
    // Nothing there is the guest's.
    if (entry === undefined) return;
    if (at === path.length - 1) {
      openUp(workspace, directory, path.slice(0, -1));
      discardEntry(workspace, directory, entry, true);
      return;
    }
    const node = entry.node === undefined ? undefined : index.node(entry.node);
    if (node?.kind !== "directory") throw insideRemoved(path, path.slice(0, at + 1));
    directory = node.id;
  }
  for (const entry of index.entries(ROOT)) discardEntry(workspace, ROOT, entry, true);
}

/** @param stays whether the directory that it is in does */
function discardEntry(workspace: OpenWorkspace, parent: number, entry: Entry, stays: boolean): void {
  const { index, isServed } = workspace;
  const node = entry.node === undefined ? undefined : index.node(entry.node);
  if (entry.ghost !== undefined) removeGhostTree(index, entry.ghost);
  if (node?.kind === "directory") {
    // The guest may have it open: it becomes what the host has, instead of going.
    const isKept = stays && isServed && entry.base?.kind === "directory";
    for (const inner of index.entries(node.id)) discardEntry(workspace, node.id, inner, isKept);
    if (isKept) {
      index.setNode(node.id, { merged: true, mode: entry.base?.mode ?? node.mode });
      return;
    }
  }
  if (node === undefined) index.removeEntry(parent, entry.name);
  else letGo(workspace, parent, entry, node);
}

function insideRemoved(path: Names, removed: Names): SmolError {
  const text = (names: Names) => Buffer.from(names.join("/"), "latin1").toString("utf8");
  return new SmolError("workspace.inside_removed", `the guest has removed '${text(removed)}' as a whole`, {
    hint: `discard '${text(removed)}', which brings '${text(path)}' back too`,
  });
}
