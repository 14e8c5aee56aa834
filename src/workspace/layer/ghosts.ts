/**
 * What goes with a directory. When the guest removes or moves one that came from the host, the stamps of what the host
 * has in it stay behind as a ghost: a tree of entries without files, so that an apply removes just what the guest saw.
 */
import type { IndexFile } from "../index-file.ts";

const GHOST = {
  kind: "directory",
  mode: 0,
  uid: 0,
  gid: 0,
  accessed: 0n,
  modified: 0n,
  changed: 0n,
  links: 1,
  merged: false,
  target: undefined,
  origin: undefined,
  applied: undefined,
} as const;

/**
 * Takes out of a directory what stands for the host's files: from then on it is the guest's alone.
 *
 * @returns the ghost, if there is anything to remember
 */
export function splitGhost(index: IndexFile, directory: number): number | undefined {
  const remembered = index.entries(directory).flatMap((entry) => {
    const { name, node, base } = entry;
    const isDirectory = node !== undefined && index.node(node)?.kind === "directory";
    const inner = isDirectory ? splitGhost(index, node) : undefined;
    const ghost = joined(index, inner, entry.ghost);
    if (node === undefined) index.removeEntry(directory, name);
    else index.putEntry(directory, { name, node, base: undefined, ghost: undefined });
    return base === undefined && ghost === undefined ? [] : [{ name, node: undefined, base, ghost }];
  });
  index.setNode(directory, { merged: false });
  if (remembered.length === 0) return undefined;
  const id = index.addNode(GHOST);
  for (const entry of remembered) index.putEntry(id, entry);
  return id;
}

/** Puts the entries of a ghost under a directory of the guest's that takes the place of the host's. */
export function absorbGhost(index: IndexFile, directory: number, ghost: number): void {
  for (const { name, base, ghost: inner } of index.entries(ghost)) {
    const mine = index.entry(directory, name);
    const isDirectory = mine?.node !== undefined && index.node(mine.node)?.kind === "directory";
    if (isDirectory && inner !== undefined) absorbGhost(index, mine.node as number, inner);
    const rest = isDirectory ? undefined : inner;
    index.putEntry(directory, { name, node: mine?.node, base, ghost: rest });
  }
  removeGhost(index, ghost);
}

/** An entry has a ghost of its own only when its node is no directory, so two never meet; if they do, both stay. */
function joined(index: IndexFile, one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  absorbGhost(index, one, other);
  return one;
}

function removeGhost(index: IndexFile, ghost: number): void {
  for (const { name } of index.entries(ghost)) index.removeEntry(ghost, name);
  index.removeNode(ghost);
}

/** Removes a ghost with all that is in it. */
export function removeGhostTree(index: IndexFile, ghost: number): void {
  for (const { ghost: inner } of index.entries(ghost)) if (inner !== undefined) removeGhostTree(index, inner);
  removeGhost(index, ghost);
}
