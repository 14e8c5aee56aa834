import { dataStamp } from "../data.ts";
import type { Names } from "../host-folder.ts";
import { type Entry, type Node, ROOT } from "../index-file.ts";
import { removeGhostTree } from "../layer/ghosts.ts";
import { forgetTemporaries } from "../leftovers.ts";
import { stampOf, TICK_NS } from "../stamp.ts";
import type { Stat } from "../stat.ts";
import type { OpenWorkspace } from "../workspace.ts";
import type { Done } from "./apply.ts";
import type { Same } from "./changes.ts";

/**
 * The index after an apply. While a guest runs, only its server may let go of a file, for it may be writing to it: the
 * index says then what was applied, and whatever the guest writes later is a change of that.
 */
export function settle(workspace: OpenWorkspace, done: readonly Done[], same: readonly Same[]): void {
  workspace.index.changeBySteps(settling(workspace, done, same), workspace);
}

function* settling(
  workspace: OpenWorkspace,
  done: readonly Done[],
  same: readonly Same[],
): Generator<void, void, void> {
  forgetTemporaries(workspace.index);
  for (const one of done) {
    yield;
    settleOne(workspace, one);
  }
  if (workspace.isServed) return;
  for (const { parent, entry, node, names } of same) {
    openUp(workspace, parent, names.slice(0, -1));
    letGo(workspace, parent, entry, node);
  }
  tidy(workspace, ROOT);
}

function settleOne(workspace: OpenWorkspace, { change, stamp, source }: Done): void {
  const { index, isServed } = workspace;
  const entry = index.entry(change.parent, change.entry.name);
  if (entry === undefined || entry.node !== change.entry.node) return;
  if (entry.node === undefined) {
    // Removed on both sides: what appears there is the host's. What is left in a ghost is a conflict.
    if (!hasRest(workspace, entry)) index.removeEntry(change.parent, entry.name);
    return;
  }
  const node = index.node(entry.node) as Node;
  const base = node.kind === "directory" ? directoryStamp(workspace, change.names) : stamp;
  index.putEntry(change.parent, { ...entry, base, ghost: undefined });
  if (entry.ghost !== undefined) removeGhostTree(index, entry.ghost);
  if (node.kind === "directory") index.setNode(node.id, { merged: true, mode: base?.mode ?? node.mode });
  else if (!isServed) {
    openUp(workspace, change.parent, change.names.slice(0, -1));
    letGo(workspace, change.parent, entry, node);
  } else if (source !== undefined || node.kind === "symlink")
    index.setNode(node.id, { applied: appliedStamp(workspace, node, source) });
}

function hasRest({ index }: OpenWorkspace, { ghost }: Entry): boolean {
  if (ghost === undefined) return false;
  if (index.entries(ghost).length > 0) return true;
  removeGhostTree(index, ghost);
  return false;
}

function directoryStamp({ host }: OpenWorkspace, names: Names) {
  const stat = host.stat(names);
  return stat === undefined ? undefined : stampOf(stat);
}

/** Undefined when a write of this moment might leave no trace in the file's times. */
function appliedStamp({ data }: OpenWorkspace, node: Node, source: string | undefined): string | undefined {
  if (node.kind === "symlink") return "link";
  const stat: Stat = data.stat(node.id);
  const isOld = BigInt(Date.now()) * 1_000_000n - stat.changed > TICK_NS;
  return isOld && dataStamp(stat) === source ? source : undefined;
}

/**
 * A directory that the guest made anew shows nothing of the host's; one of whose names is to be the
 * host's again must, and hides the others.
 */
export function openUp({ index, host }: OpenWorkspace, directory: number, names: Names): void {
  const node = index.node(directory) as Node;
  if (node.merged) return;
  index.setNode(directory, { merged: true });
  for (const { name } of host.listIfThere(names))
    if (index.entry(directory, name) === undefined)
      index.putEntry(directory, { name, node: undefined, base: undefined, ghost: undefined });
}

/** The entry goes, and its file with the last of its names. */
export function letGo({ index, data }: OpenWorkspace, parent: number, entry: Entry, { id }: Node): void {
  const node = index.node(id);
  if (node === undefined) return;
  index.removeEntry(parent, entry.name);
  if (node.links > 1) {
    index.setNode(node.id, { links: node.links - 1 });
    return;
  }
  index.removeNode(node.id);
  index.afterwards(() => data.remove(node.id));
}

/**
 * Forgets directories that have nothing of the guest's any more. Not while they are served: the guest may have them
 * open.
 *
 * @returns whether nothing is left in it
 */
export function tidy(workspace: OpenWorkspace, directory: number): boolean {
  const { index } = workspace;
  let isEmpty = true;
  for (const entry of index.entries(directory)) {
    const node = entry.node === undefined ? undefined : index.node(entry.node);
    const isRedundant =
      node?.kind === "directory" &&
      tidy(workspace, node.id) &&
      entry.base?.kind === "directory" &&
      ((entry.base.mode ^ node.mode) & 0o777) === 0;
    if (isRedundant) {
      index.removeEntry(directory, entry.name);
      index.removeNode(node.id);
    } else isEmpty = false;
  }
  return isEmpty;
}
