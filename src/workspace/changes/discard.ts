import { SmolError } from "../../errors.ts";
import type { Names } from "../host-folder.ts";
import { type Entry, ROOT } from "../index-file.ts";
import { removeGhostTree } from "../layer/ghosts.ts";
import type { OpenWorkspace } from "../workspace.ts";
import { type Change, changesOf, isSelected } from "./changes.ts";
import { letGo, openUp, tidy } from "./settle.ts";

/**
 * Throws changes of the guest's away: it sees the host's files again. Files that it has open stay what they are for who
 * has them open. While a guest runs it goes on meanwhile, and a discard that is killed has thrown some of them away.
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
  // All of them or none, while it is still one change.
  for (const path of paths ?? []) placeOf(workspace, path);
  index.changeBySteps(discarding(workspace, paths ?? [[]]), workspace);
  return changes;
}

function* discarding(workspace: OpenWorkspace, paths: readonly Names[]): Generator<void, void, void> {
  for (const path of paths) yield* discardBelow(workspace, path);
  if (!workspace.isServed) tidy(workspace, ROOT);
}

/**
 * The directory that a path's last name is in; undefined when nothing there is the guest's.
 *
 * @param path not empty
 * @throws SmolError `workspace.inside_removed`
 */
function placeOf({ index }: OpenWorkspace, path: Names): number | undefined {
  let directory = ROOT;
  for (const [at, name] of path.slice(0, -1).entries()) {
    const entry = index.entry(directory, name);
    if (entry === undefined) return undefined;
    const node = entry.node === undefined ? undefined : index.node(entry.node);
    if (node?.kind !== "directory") throw insideRemoved(path, path.slice(0, at + 1));
    directory = node.id;
  }
  return directory;
}

function* discardBelow(workspace: OpenWorkspace, path: Names): Generator<void, void, void> {
  const name = path.at(-1);
  if (name === undefined) return yield* discardEntries(workspace, ROOT, true);
  const directory = placeOf(workspace, path);
  const entry = directory === undefined ? undefined : workspace.index.entry(directory, name);
  if (directory === undefined || entry === undefined) return;
  openUp(workspace, directory, path.slice(0, -1));
  yield* discardEntry(workspace, directory, entry, true);
}

/** @param stay whether the directory does */
function* discardEntries(
  workspace: OpenWorkspace,
  directory: number,
  stay: boolean,
): Generator<void, void, void> {
  for (const { name } of workspace.index.entries(directory)) {
    yield;
    // The guest may have gone on meanwhile.
    const entry = workspace.index.entry(directory, name);
    if (entry !== undefined) yield* discardEntry(workspace, directory, entry, stay);
  }
}

/** @param stays whether the directory that it is in does */
function* discardEntry(
  workspace: OpenWorkspace,
  parent: number,
  entry: Entry,
  stays: boolean,
): Generator<void, void, void> {
  const { index, isServed } = workspace;
  const node = entry.node === undefined ? undefined : index.node(entry.node);
  if (entry.ghost !== undefined) removeGhostTree(index, entry.ghost);
  if (node?.kind === "directory") {
    // The guest may have it open: it becomes what the host has, instead of going.
    const isKept = stays && isServed && entry.base?.kind === "directory";
    yield* discardEntries(workspace, node.id, isKept);
    if (isKept) {
      index.setNode(node.id, { merged: true, mode: entry.base?.mode ?? node.mode });
      return;
    }
    // What the guest has made in it since must not be left without a way to it.
    while (index.entries(node.id).length > 0) yield* discardEntries(workspace, node.id, false);
    // It may have moved it, too.
    if (index.entry(parent, entry.name)?.node !== node.id) return;
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
