/**
 * Puts one change into a directory of the host that is open, or says why not. What comes complete gets its name in one
 * step, and what it takes the place of is looked at after it has been taken away: if that is not what the guest saw, it
 * is put back. So nothing is overwritten or lost, whoever writes there at the same moment.
 */
import {
  changeMode,
  changeOwner,
  closeDescriptor,
  linkTo,
  makeDirectoryAt,
  OpenFlag,
  openAt,
  renameAt,
  setAttribute,
  symlinkAt,
  unlinkAt,
} from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../../files/errno.ts";
import { copyBytes, withOwn } from "../copy.ts";
import { dataStamp } from "../data.ts";
import type { Names } from "../host-folder.ts";
import type { Node } from "../index-file.ts";
import { EXCHANGE, isSameFile, NO_REPLACE, noteTemporary } from "../leftovers.ts";
import { freshStamp, type Stamp, sha256, stampOf } from "../stamp.ts";
import { type Stat, statIfThere, statOf } from "../stat.ts";
import type { OpenWorkspace } from "../workspace.ts";
import type { Conflict } from "./changes.ts";

/** Modes that an apply gives: no set-user-ID, set-group-ID and sticky bits from a guest. */
export const APPLIED_MODE = 0o777;

/** How names begin for the moment in which a file takes the place of another one. */
const TEMPORARY = ".smolvm-apply-";

const temporaryName = () => `${TEMPORARY}${crypto.getRandomValues(Buffer.alloc(8)).toString("hex")}`;

/** What is on the host now, and what of the guest's it is a copy of. */
export interface Put {
  readonly stamp: Stamp;
  /** Of the guest's bytes that were copied. */
  readonly source: string | undefined;
}

/** Where a change belongs: a path of the host's folder, whose directory is open. */
export interface Place {
  readonly workspace: OpenWorkspace;
  readonly names: Names;
  readonly directory: number;
  /** The last one. */
  readonly name: string;
}

/**
 * @param before what the host must have under the name; undefined: nothing
 * @returns what has been put there, or the conflict
 * @throws FileError
 */
export function put(place: Place, node: Node, before: Stat | undefined): Put | Conflict {
  const { directory, name } = place;
  if (node.kind === "directory") return putDirectory(place, node, before);
  const made = node.kind === "symlink" ? putLink(place, node, before) : putFile(place, node, before);
  if (typeof made === "string") return made;
  // Its new name has changed its time.
  const stat = statIfThere(directory, name) ?? refuse(Errno.ENOENT);
  return { ...made, stamp: freshStamp(stat, made.stamp.hash, BigInt(Date.now()) * 1_000_000n) };
}

/** A directory can be used as it is made; its mode follows when all is in it. */
function putDirectory(place: Place, node: Node, before: Stat | undefined): Put | Conflict {
  const { directory, name } = place;
  if (before !== undefined) {
    const conflict = take(place, before);
    if (conflict !== undefined) return conflict;
  }
  const made = makeDirectoryAt(directory, name, 0o700);
  if (made === -Errno.EEXIST) return "created";
  must(made);
  return onEntry(directory, name, (fd) => {
    giveOwner(fd, node);
    return { stamp: stampOf(statOf(fd)), source: undefined };
  });
}

function putLink(place: Place, node: Node, before: Stat | undefined): Put | Conflict {
  const { directory } = place;
  const target = Buffer.from(node.target as Uint8Array).toString("latin1");
  const temporary = temporaryName();
  noteTemporary(place.workspace.index, { names: place.names, temporary });
  must(symlinkAt(target, directory, temporary));
  const stamp = onEntry(directory, temporary, (fd) => {
    giveOwner(fd, node);
    return stampOf(statOf(fd), sha256(node.target as Uint8Array));
  });
  return swap(place, temporary, before) ?? { stamp, source: undefined };
}

function putFile(place: Place, node: Node, before: Stat | undefined): Put | Conflict {
  const { directory, name, names } = place;
  const { data, index } = place.workspace;
  const temporary = temporaryName();
  const { fd: target, isNamed } = openNew(place, temporary);
  try {
    const made = withOwn(data.path(node.id), 0, (source) => {
      const { stat, hash } = copyBytes(source, target);
      giveOwner(target, node);
      must(changeMode(target, node.mode & APPLIED_MODE));
      // Filesystems without attributes have files without them.
      for (const { name: key, value } of index.extended(node.id)) setAttribute(target, key, value, 0);
      return { stamp: stampOf(statOf(target), hash), source: dataStamp(stat) };
    });
    if (!isNamed && before === undefined) {
      const done = linkTo(target, directory, name);
      if (done === -Errno.EEXIST) return "created";
      must(done);
      return made;
    }
    if (!isNamed) {
      noteTemporary(index, { names, temporary });
      must(linkTo(target, directory, temporary));
    }
    return swap(place, temporary, before) ?? made;
  } catch (error) {
    if (isNamed) unlinkAt(directory, temporary, false);
    throw error;
  } finally {
    closeDescriptor(target);
  }
}

const O_TMPFILE = 0o20000000 | OpenFlag.directory;

/** A file without a name, of which nothing is left when this process is killed; with one where that cannot be had. */
function openNew(
  { workspace, directory, names }: Place,
  temporary: string,
): { readonly fd: number; readonly isNamed: boolean } {
  const fd = openAt(directory, ".", O_TMPFILE | OpenFlag.readWrite, 0o600);
  if (fd >= 0) return { fd, isNamed: false };
  noteTemporary(workspace.index, { names, temporary });
  const flags = OpenFlag.readWrite | OpenFlag.create | OpenFlag.exclusive | OpenFlag.noFollow;
  return { fd: must(openAt(directory, temporary, flags, 0o600)), isNamed: true };
}

/** Root passes the guest's owners on; what a user applies is this user's. */
function giveOwner(fd: number, { uid, gid }: Node): void {
  if (process.getuid?.() === 0) must(changeOwner(fd, uid, gid));
}

/** Works with a file of the directory by its descriptor; a link is not followed. */
export function onEntry<T>(directory: number, name: string, work: (fd: number) => T): T {
  const fd = must(openAt(directory, name, OpenFlag.pathOnly | OpenFlag.noFollow));
  try {
    return work(fd);
  } finally {
    closeDescriptor(fd);
  }
}

/** Gives a complete file its name. The temporary one is gone then, whatever came of it. */
function swap(
  { workspace, directory, name, names }: Place,
  temporary: string,
  before: Stat | undefined,
): Conflict | undefined {
  if (before !== undefined) {
    const ours = statIfThere(directory, temporary) ?? refuse(Errno.ENOENT);
    noteTemporary(workspace.index, { names, temporary, ours, before });
  }
  const done = renameAt(directory, temporary, directory, name, before === undefined ? NO_REPLACE : EXCHANGE);
  if (done < 0) {
    unlinkAt(directory, temporary, false);
    if (done === -Errno.EEXIST) return "created";
    if (done === -Errno.ENOENT) return "removed";
    return refuse(-done);
  }
  if (before === undefined) return undefined;
  const isMeant = isStill(before, statIfThere(directory, temporary));
  if (!isMeant) must(renameAt(directory, temporary, directory, name, EXCHANGE));
  must(unlinkAt(directory, temporary, false));
  return isMeant ? undefined : "changed";
}

/** Takes away what is no directory. */
export function take({ workspace, directory, name, names }: Place, before: Stat): Conflict | undefined {
  const temporary = temporaryName();
  noteTemporary(workspace.index, { names, temporary, before });
  const done = renameAt(directory, name, directory, temporary, NO_REPLACE);
  if (done === -Errno.ENOENT) return undefined;
  must(done);
  if (isStill(before, statIfThere(directory, temporary))) {
    must(unlinkAt(directory, temporary, false));
    return undefined;
  }
  // Who has made another one meanwhile has what it made; this one stays under its temporary name then.
  must(renameAt(directory, temporary, directory, name, NO_REPLACE));
  return "changed";
}

const isStill = (before: Stat, now: Stat | undefined): boolean =>
  now !== undefined && isSameFile(stampOf(before), now);
