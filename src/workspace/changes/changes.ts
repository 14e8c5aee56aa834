/** What the guest has changed, read from the index and held against the host's folder as it is now. */
import { closeDescriptor } from "../../../ffi/files.ts";
import { readWhole, sameBytes, withOwn } from "../copy.ts";
import { dataStamp } from "../data.ts";
import { isNotThere, type Names } from "../host-folder.ts";
import { type Entry, type Node, ROOT } from "../index-file.ts";
import { isUntouched, type Stamp, sha256 } from "../stamp.ts";
import { type Stat, statOf } from "../stat.ts";
import type { OpenWorkspace } from "../workspace.ts";

export type Status = "added" | "modified" | "deleted" | "type-changed";

/** What stands in the way of an apply. */
export type Conflict =
  /** The host has something where there was nothing. */
  | "created"
  | "changed"
  | "removed"
  /** The way to it leads over something that is no directory of the host's any more. */
  | "unreachable"
  /** The host has something in it that the guest has not seen. */
  | "not-empty";

export interface Change {
  readonly names: Names;
  readonly status: Status;
  /** What the host had; absent for what is new. */
  readonly base: Stamp | undefined;
  /** What the guest has; absent for what it removed. */
  readonly node: Node | undefined;
  /** Size of a file's bytes in the guest. */
  readonly size: number;
  /** Whether its bytes are others, not just its mode. */
  readonly hasNewContent: boolean;
  /** The path that the guest moved it from, when it did. */
  readonly movedFrom: Names | undefined;
  /** It is gone here because it is a `movedFrom`. */
  readonly hasMoved: boolean;
  /** Undefined also when the host has the same already. */
  readonly conflict: Conflict | undefined;
  /** Tells it from a later change of the same path. */
  readonly fingerprint: string;
  /** Whether the host has nothing of the directory that it is in. */
  readonly isUnreachable: boolean;
  /** Where the index has it. */
  readonly parent: number;
  readonly entry: Entry;
}

/** An entry of the index that is no change. */
export type Same = Pick<Change, "parent" | "entry" | "names"> & { readonly node: Node };

/** Directories in each other that are walked; more than the layer makes. */
const MAX_DEPTH = 2048;

/** Bytes up to which a file is read to find out whether it is what it was. */
const MAX_HASHED = 4 * 1024 * 1024;

/**
 * All changes, in an order in which they can be applied: what is removed before what takes its place, a directory
 * before what is in it, and after it when it goes.
 *
 * @param onSame called with each file that the guest has touched, and that is what it was
 */
export function changesOf(workspace: OpenWorkspace, onSame?: (same: Same) => void): Change[] {
  const { index } = workspace;
  const changes: Change[] = [];
  const walk = (parent: number, names: Names) => {
    if (names.length > MAX_DEPTH) return;
    for (const entry of index.entries(parent)) {
      const path = [...names, entry.name];
      if (entry.ghost !== undefined) walk(entry.ghost, path);
      const node = entry.node === undefined ? undefined : index.node(entry.node);
      const change = changeOf(workspace, parent, path, entry, node);
      if (change !== undefined) changes.push(change);
      else if (node !== undefined && node.kind !== "directory")
        onSame?.({ parent, entry, node, names: path });
      if (node?.kind === "directory") walk(node.id, path);
    }
  };
  index.snapshot(() => walk(ROOT, []));
  return withMoves(withReach(changes));
}

/** What is to be put into a directory that neither is there nor comes with the changes cannot be put anywhere. */
function withReach(changes: readonly Change[]): Change[] {
  const comes = new Set<string>();
  return changes.map((change) => {
    const isLost =
      change.status === "added" && change.isUnreachable && !comes.has(change.names.slice(0, -1).join("/"));
    const conflict = isLost ? "unreachable" : change.conflict;
    if (conflict === undefined && change.node?.kind === "directory" && change.hasNewContent)
      comes.add(change.names.join("/"));
    return { ...change, conflict };
  });
}

/** The same for one entry; undefined when nothing has changed. */
function changeOf(
  workspace: OpenWorkspace,
  parent: number,
  names: Names,
  entry: Entry,
  node: Node | undefined,
): Change | undefined {
  const { base } = entry;
  if (node === undefined && base === undefined) return undefined;
  const data = dataOf(workspace, node);
  // Its file went at this moment: another process has discarded it.
  if (data === "gone") return undefined;
  const size = data?.size ?? node?.target?.length ?? 0;
  const fingerprint = `${node?.id} ${node?.mode} ${data === undefined ? "" : dataStamp(data)}`;
  const status = statusOf(base, node);
  const hasNewContent = status !== "modified" || differs(workspace, names, base as Stamp, node as Node, size);
  if (!hasNewContent && !hasOtherMode(base as Stamp, node as Node)) return undefined;
  if (!hasNewContent && (node as Node).kind === "symlink") return undefined;
  const change = { names, status, base, node, size, hasNewContent, fingerprint, parent, entry };
  const stat = hostStat(workspace, names);
  const isUnreachable = stat === "unreachable";
  const conflict = conflictOf(workspace, change, stat);
  return { ...change, isUnreachable, conflict, movedFrom: undefined, hasMoved: false };
}

function statusOf(base: Stamp | undefined, node: Node | undefined): Status {
  if (node === undefined) return "deleted";
  if (base === undefined) return "added";
  return base.kind === node.kind ? "modified" : "type-changed";
}

function dataOf({ data }: OpenWorkspace, node: Node | undefined): Stat | "gone" | undefined {
  if (node?.kind !== "file") return undefined;
  try {
    return data.stat(node.id);
  } catch (error) {
    if (isNotThere(error)) return "gone";
    throw error;
  }
}

function hostStat({ host }: OpenWorkspace, names: Names): Stat | undefined | "unreachable" {
  try {
    return host.inDirectory(names.slice(0, -1), () => host.stat(names));
  } catch (error) {
    if (isNotThere(error)) return "unreachable";
    throw error;
  }
}

/** Set-user-ID and the like are never brought to the host, and count for nothing. */
const hasOtherMode = (base: Stamp, node: Node): boolean => ((base.mode ^ node.mode) & 0o777) !== 0;

/** Whether the guest's file or link has other bytes than the host's had. */
function differs(workspace: OpenWorkspace, names: Names, base: Stamp, node: Node, size: number): boolean {
  if (node.kind === "symlink") return base.hash !== sha256(node.target as Uint8Array);
  if (node.kind !== "file") return false;
  if (size !== base.size) return true;
  const { data, host } = workspace;
  if (base.hash !== undefined) {
    const bytes = withOwn(data.path(node.id), 0, (fd) => readWhole(fd, size));
    return sha256(bytes) !== base.hash;
  }
  if (node.applied !== undefined && dataStamp(data.stat(node.id)) === node.applied) return false;
  const stat = host.stat(names);
  return stat === undefined || !isUntouched(base, stat) || !hasBytesOf(workspace, names, node);
}

/** Whether the host's file has the bytes of the guest's. */
function hasBytesOf({ host, data }: OpenWorkspace, names: Names, node: Node): boolean {
  let theirs: number;
  try {
    theirs = host.openFile(names);
  } catch (error) {
    if (isNotThere(error)) return false;
    throw error;
  }
  try {
    return withOwn(data.path(node.id), 0, (mine) => sameBytes(mine, theirs));
  } finally {
    closeDescriptor(theirs);
  }
}

type Candidate = Pick<Change, "names" | "status" | "base" | "node" | "entry">;

/** What stands in the way of applying a change. Looked at again, by descriptor, when it is applied. */
export function conflictOf(
  workspace: OpenWorkspace,
  change: Candidate,
  stat: Stat | undefined | "unreachable",
): Conflict | undefined {
  const { base, node, status } = change;
  if (stat === "unreachable") {
    // Its directory may be about to be made.
    return status === "added" || status === "deleted" ? undefined : "unreachable";
  }
  if (stat === undefined) return base === undefined || status === "deleted" ? undefined : "removed";
  if (base?.kind === "directory" && stat.kind === "directory" && node?.kind !== "directory")
    return hasUnseen(workspace, change) ? "not-empty" : undefined;
  if (node?.kind === "directory" && stat.kind === "directory")
    return base !== undefined && isModeOfAnother(base, node, stat) ? "changed" : undefined;
  if (base !== undefined && isAsItWas(workspace, change.names, base, stat)) return undefined;
  if (node !== undefined && isThere(workspace, change.names, node, stat)) return undefined;
  return base === undefined ? "created" : "changed";
}

/** Both have changed the mode, each to another one. */
const isModeOfAnother = (base: Stamp, node: Node, { mode }: Stat): boolean =>
  ((mode ^ base.mode) & 0o777) !== 0 && ((mode ^ node.mode) & 0o777) !== 0;

/** Whether the host's directory, which is to go, has a name that the guest never saw in it. */
function hasUnseen({ host, index }: OpenWorkspace, { names, entry }: Candidate): boolean {
  const seen = new Set(entry.ghost === undefined ? [] : index.entries(entry.ghost).map(({ name }) => name));
  return host.listIfThere(names).some(({ name }) => !seen.has(name));
}

/** Whether the host's entry is what the guest saw: untouched, or written again with the same bytes. */
function isAsItWas(workspace: OpenWorkspace, names: Names, base: Stamp, stat: Stat): boolean {
  if (isUntouched(base, stat)) return true;
  if (base.hash === undefined || base.kind !== stat.kind || base.mode !== (stat.mode & 0o7777)) return false;
  return hashOfHost(workspace, names, stat) === base.hash;
}

/** Whether the host has what the guest has: both made the same, or an apply was interrupted. */
export function isThere(workspace: OpenWorkspace, names: Names, node: Node, stat: Stat): boolean {
  if (node.kind !== stat.kind) return false;
  if (node.kind === "directory") return true;
  if (node.kind === "symlink")
    return hashOfHost(workspace, names, stat) === sha256(node.target as Uint8Array);
  if (node.kind !== "file") return false;
  return (node.mode & 0o777) === (stat.mode & 0o777) && hasBytesOf(workspace, names, node);
}

function hashOfHost({ host }: OpenWorkspace, names: Names, { kind, size }: Stat): string | undefined {
  try {
    if (kind === "symlink") return sha256(host.readLink(names));
    if (kind !== "file" || size > MAX_HASHED) return undefined;
    const fd = host.openFile(names);
    try {
      return sha256(readWhole(fd, statOf(fd).size));
    } finally {
      closeDescriptor(fd);
    }
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

/** A file that is new, is a copy of the host's file of another path, and that one is gone: it was moved. */
function withMoves(changes: readonly Change[]): Change[] {
  const removed = new Set(
    changes.filter(({ status }) => status === "deleted").map(({ names }) => names.join("/")),
  );
  const moved = new Set<string>();
  const found = changes.map((change) => {
    const origin = change.status === "added" ? change.node?.origin : undefined;
    if (origin === undefined || !removed.delete(origin)) return change;
    moved.add(origin);
    return { ...change, movedFrom: origin.split("/") };
  });
  return found.map((change) =>
    change.status === "deleted" && moved.has(change.names.join("/")) ? { ...change, hasMoved: true } : change,
  );
}

/** Whether a path is one of these, or below one of them; no paths are all. */
export const isSelected = (names: Names, paths: readonly Names[] | undefined): boolean =>
  paths === undefined || paths.some((path) => path.every((name, at) => names[at] === name));
