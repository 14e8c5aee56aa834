/** What gives names and takes them: make, link, remove. Each is one step of the index. */
import { closeDescriptor } from "../../../ffi/files.ts";
import { Errno, refuse } from "../../files/errno.ts";
import type { Caller, Entry as FileEntry } from "../../files/filesystem.ts";
import type { Node } from "../index-file.ts";
import { sha256, stampOf } from "../stamp.ts";
import { PERMISSION_BITS, type Stat } from "../stat.ts";
import { absorbGhost, splitGhost } from "./ghosts.ts";
import { type Found, type Layer, now } from "./layer.ts";
import type { Live } from "./live.ts";

/** Directories in each other, so that who walks them needs no endless stack; PATH_MAX allows 2048 of them. */
export const MAX_DEPTH = 1024;

export const SET_GROUP_ID = 0o2000;

export interface NewFile {
  readonly kind: Node["kind"];
  /** Permission bits. */
  readonly mode: number;
  readonly target?: Uint8Array | undefined;
  readonly caller: Caller;
}

/** Gives what is found its number and one more hold. */
export function held(layer: Layer, live: Live): FileEntry {
  try {
    const attributes = layer.attributesOf(live);
    live.holds += 1;
    return { node: live.number, attributes };
  } finally {
    layer.lives.settle(live);
  }
}

/** A directory that names can be added to. @throws FileError ENOENT for one that has been removed */
export function changeable(layer: Layer, directory: Live): number {
  if (directory.gone) refuse(Errno.ENOENT);
  const id = layer.copyUp(directory);
  if (layer.index.node(id)?.kind !== "directory") refuse(Errno.ENOTDIR);
  return id;
}

/** @throws FileError EEXIST, ENOENT, ENOSPC */
export function make(layer: Layer, parent: Live, name: string, file: NewFile): Live {
  const { index } = layer;
  const found = layer.find(parent, name);
  if (exists(found)) refuse(Errno.EEXIST);
  const isDirectory = file.kind === "directory";
  if (isDirectory && parent.depth >= MAX_DEPTH) refuse(Errno.ENAMETOOLONG);
  const id = index.change(() => {
    const directory = changeable(layer, parent);
    const at = now();
    const above = index.node(directory) as Node;
    const inherits = (above.mode & SET_GROUP_ID) !== 0;
    const node = index.addNode({
      kind: file.kind,
      mode: (file.mode & PERMISSION_BITS) | (inherits && isDirectory ? SET_GROUP_ID : 0),
      uid: file.caller.uid,
      gid: inherits ? above.gid : file.caller.gid,
      accessed: at,
      modified: at,
      changed: at,
      links: 1,
      merged: false,
      target: file.target,
      origin: undefined,
      applied: undefined,
    });
    attach(layer, directory, name, node, isDirectory);
    layer.touch(directory);
    return node;
  });
  return layer.liveOf(parent, name, { ...found, node: index.node(id) });
}

const exists = ({ node, stat }: Found): boolean => node !== undefined || stat !== undefined;

/** Puts a node under a name that nothing has. What the host has there stays remembered. */
export function attach(
  layer: Layer,
  directory: number,
  name: string,
  node: number,
  isDirectory: boolean,
): void {
  const { index } = layer;
  const before = index.entry(directory, name);
  const ghost = before?.ghost;
  index.putEntry(directory, { name, node, base: before?.base, ghost: isDirectory ? undefined : ghost });
  if (isDirectory && ghost !== undefined) absorbGhost(index, node, ghost);
}

/** A regular file, with its bytes. */
export function makeFile(layer: Layer, parent: Live, name: string, mode: number, caller: Caller): Live {
  return layer.index.change(() => {
    const live = make(layer, parent, name, { kind: "file", mode, caller });
    const node = live.upper as number;
    layer.index.undone(() => {
      layer.data.remove(node);
      layer.lives.forget(live.number, 0);
    });
    closeDescriptor(layer.data.make(node));
    return live;
  });
}

export function link(layer: Layer, file: Live, parent: Live, name: string): Live {
  const { index } = layer;
  if (exists(layer.find(parent, name))) refuse(Errno.EEXIST);
  const known = layer.nodeOf(file)?.kind ?? layer.statOf(file).kind;
  if (known === "directory") refuse(Errno.EPERM);
  if (file.gone) refuse(Errno.ENOENT);
  index.change(() => {
    const node = index.node(layer.copyUp(file)) as Node;
    const directory = changeable(layer, parent);
    index.setNode(node.id, { links: node.links + 1, changed: now(), applied: undefined });
    attach(layer, directory, name, node.id, false);
    layer.touch(directory);
  });
  return file;
}

/** @throws FileError EISDIR, ENOENT */
export function unlink(layer: Layer, parent: Live, name: string): void {
  const found = layer.existing(parent, name);
  if ((found.node?.kind ?? found.stat?.kind) === "directory") refuse(Errno.EISDIR);
  layer.index.change(() => {
    const directory = changeable(layer, parent);
    detachFile(layer, parent, directory, name, found);
    layer.touch(directory);
  });
}

/** Takes the name from what is no directory. */
export function detachFile(layer: Layer, parent: Live, directory: number, name: string, found: Found): void {
  const { index } = layer;
  const { entry, node, stat } = found;
  if (node !== undefined && entry !== undefined) {
    leave(layer, parent, directory, name, found);
    layer.dropName(node);
    return;
  }
  const live = parent.children.get(name);
  index.putEntry(directory, {
    name,
    node: undefined,
    base: stampWithLink(layer, parent, name, stat as Stat),
    ghost: undefined,
  });
  if (live !== undefined) index.afterwards(() => layer.lives.detach(live));
}

function stampWithLink(layer: Layer, parent: Live, name: string, stat: Stat) {
  return stampOf(
    stat,
    stat.kind === "symlink" ? sha256(layer.host.readLink([...parent.names, name])) : undefined,
  );
}

/** The entry without its node. One that stands for nothing of the host's goes. */
export function leave(
  layer: Layer,
  parent: Live,
  directory: number,
  name: string,
  { entry }: Found,
  ghost: number | undefined = entry?.ghost,
): void {
  const { index } = layer;
  const base = entry?.base;
  // Somebody may have made a file of this name on the host: it must not appear where the guest has just removed one.
  const hides =
    base === undefined && ghost === undefined && index.node(directory)?.merged === true
      ? layer.host.stat([...parent.names, name]) !== undefined
      : false;
  if (base === undefined && ghost === undefined && !hides) index.removeEntry(directory, name);
  else index.putEntry(directory, { name, node: undefined, base, ghost });
}

/** @throws FileError ENOTDIR, ENOTEMPTY */
export function removeDirectory(layer: Layer, parent: Live, name: string): void {
  const found = layer.existing(parent, name);
  if ((found.node?.kind ?? found.stat?.kind) !== "directory") refuse(Errno.ENOTDIR);
  layer.step(() => {
    const directory = changeable(layer, parent);
    detachDirectory(layer, parent, directory, name, found);
    layer.touch(directory);
  });
}

/** Takes the name from an empty directory, which stays as a ghost where the host has it too. */
export function detachDirectory(
  layer: Layer,
  parent: Live,
  directory: number,
  name: string,
  found: Found,
): void {
  const { index } = layer;
  const live = layer.seen(parent, name, found);
  if (!isEmpty(layer, live)) refuse(Errno.ENOTEMPTY);
  const id = layer.copyUp(live);
  const node = index.node(id) as Node;
  const entry = index.entry(directory, name);
  const ghost = splitGhost(index, id);
  leave(layer, parent, directory, name, { ...found, entry }, ghost);
  layer.dropName(node);
}

export function isEmpty(layer: Layer, directory: Live): boolean {
  const node = layer.nodeOf(directory);
  if (node !== undefined && layer.index.hasNames(node.id)) return false;
  if (node !== undefined && !node.merged) return true;
  return layer.host
    .listIfThere(directory.names)
    .every(({ name }) => node !== undefined && layer.index.entry(node.id, name) !== undefined);
}
