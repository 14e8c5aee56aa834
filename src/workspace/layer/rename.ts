import { Errno, refuse } from "../../files/errno.ts";
import type { Names } from "../host-folder.ts";
import type { Node } from "../index-file.ts";
import type { Stat } from "../stat.ts";
import { splitGhost } from "./ghosts.ts";
import { type Found, type Layer, now } from "./layer.ts";
import type { Live } from "./live.ts";
import { attach, changeable, detachDirectory, detachFile, leave, MAX_DEPTH } from "./names.ts";

const NO_REPLACE = 1;

/**
 * A directory of the host's that moves is copied. What is more than this is refused with EXDEV, and programs like mv
 * copy it themselves, file by file; meanwhile the guest's other requests go on.
 */
export const MoveLimit = { entries: 4000, bytes: 256 * 1024 * 1024 } as const;

/**
 * @param flags of renameat2(2); EXCHANGE is not offered
 * @throws FileError EINVAL, EEXIST, ENAMETOOLONG, ENOENT, EISDIR, ENOTDIR, ENOTEMPTY, EXDEV
 */
export function rename(
  layer: Layer,
  parent: Live,
  name: string,
  newParent: Live,
  newName: string,
  flags: number,
): void {
  if ((flags & ~NO_REPLACE) !== 0) refuse(Errno.EINVAL);
  layer.step(() => move(layer, parent, name, newParent, newName, flags));
}

function move(
  layer: Layer,
  parent: Live,
  name: string,
  newParent: Live,
  newName: string,
  flags: number,
): void {
  const { index } = layer;
  const source = layer.existing(parent, name);
  const target = layer.find(newParent, newName);
  const isTaken = target.node !== undefined || target.stat !== undefined;
  if (isTaken && flags === NO_REPLACE) refuse(Errno.EEXIST);
  const live = layer.seen(parent, name, source);
  const isDirectory = kindOf(source) === "directory";
  if (isDirectory && isWithin(newParent, live)) refuse(Errno.EINVAL);
  if (isTaken) {
    if (isSame(source, target, parent === newParent && name === newName)) return;
    const onDirectory = kindOf(target) === "directory";
    if (onDirectory && isWithin(parent, layer.seen(newParent, newName, target))) refuse(Errno.ENOTEMPTY);
    if (onDirectory && !isDirectory) refuse(Errno.EISDIR);
    if (!onDirectory && isDirectory) refuse(Errno.ENOTDIR);
  }
  const from = changeable(layer, parent);
  const to = changeable(layer, newParent);
  if (isTaken) {
    if (isDirectory) detachDirectory(layer, newParent, to, newName, target);
    else detachFile(layer, newParent, to, newName, target);
  }
  if (isDirectory) {
    const id = layer.copyUp(live);
    // Only what gets deeper: the host's folder may be deeper than what a guest makes.
    const room = newParent.depth > parent.depth ? MAX_DEPTH - newParent.depth : Number.POSITIVE_INFINITY;
    measure(layer, id, live.names, { ...MoveLimit, depth: live.depth - 1 + room });
    complete(layer, id, live, live.names);
  }
  const node = index.node(layer.copyUp(live)) as Node;
  const entry = index.entry(from, name);
  const ghost = isDirectory ? splitGhost(index, node.id) : entry?.ghost;
  leave(layer, parent, from, name, { ...source, entry }, ghost);
  attach(layer, to, newName, node.id, isDirectory);
  index.setNode(node.id, { changed: now(), applied: undefined });
  layer.touch(from);
  if (to !== from) layer.touch(to);
  index.afterwards(() => layer.lives.move(live, newParent, newName));
}

const kindOf = ({ node, stat }: Found) => node?.kind ?? (stat as Stat).kind;

/** Two names of one file: then a rename does nothing (rename(2)). */
const isSame = (a: Found, b: Found, sameName: boolean): boolean =>
  sameName || (a.node !== undefined && a.node.id === b.node?.id);

function isWithin(directory: Live, ancestor: Live): boolean {
  for (let live: Live | undefined = directory; live !== undefined; live = live.parent)
    if (live === ancestor) return true;
  return false;
}

/**
 * Whether what a directory has of the host's is little enough to be copied, and its tree not too deep.
 *
 * @param directory its node, if it has one
 * @throws FileError EXDEV, ENAMETOOLONG
 */
function measure(
  layer: Layer,
  directory: number | undefined,
  names: Names,
  budget: { entries: number; bytes: number; readonly depth: number },
): void {
  if (names.length > budget.depth) refuse(Errno.ENAMETOOLONG);
  for (const entry of directory === undefined ? [] : layer.index.entries(directory)) {
    const node = entry.node === undefined ? undefined : layer.index.node(entry.node);
    if (node?.kind === "directory") measure(layer, node.id, [...names, entry.name], budget);
  }
  if (directory !== undefined && layer.index.node(directory)?.merged !== true) return;
  for (const name of newNames(layer, directory, names)) {
    const path = [...names, name];
    const stat = layer.host.stat(path);
    budget.entries -= 1;
    budget.bytes -= stat?.kind === "file" ? stat.blocks * 512 : 0;
    if (budget.entries < 0 || budget.bytes < 0) refuse(Errno.EXDEV);
    if (stat?.kind === "directory") measure(layer, undefined, path, budget);
  }
}

/** Brings all that a directory has of the host's into the upper. */
function complete(layer: Layer, directory: number, live: Live | undefined, names: Names): void {
  const { index } = layer;
  for (const entry of index.entries(directory)) {
    const node = entry.node === undefined ? undefined : index.node(entry.node);
    if (node?.kind === "directory")
      complete(layer, node.id, live?.children.get(entry.name), [...names, entry.name]);
  }
  if (index.node(directory)?.merged !== true) return;
  for (const name of newNames(layer, directory, names)) {
    const path = [...names, name];
    const stat = layer.host.stat(path);
    if (stat === undefined) continue;
    const child = live?.children.get(name);
    const { node, base } = layer.addCopy(path, stat);
    index.putEntry(directory, { name, node, base, ghost: undefined });
    if (child !== undefined && child.upper === undefined) layer.becomeUpper(child, node);
    if (stat.kind === "directory") complete(layer, node, child, path);
  }
}

/** What a directory of the host has that the guest has neither changed nor removed. */
function newNames(layer: Layer, directory: number | undefined, names: Names): string[] {
  const listed = layer.host.listIfThere(names).map(({ name }) => name);
  if (directory === undefined) return listed;
  return listed.filter((name) => layer.index.entry(directory, name) === undefined);
}
