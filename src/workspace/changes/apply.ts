import { changeMode, syncFilesystem, unlinkAt } from "../../../ffi/files.ts";
import { Errno, FileError, must } from "../../files/errno.ts";
import { isNotThere, type Names } from "../host-folder.ts";
import { type Stamp, stampOf } from "../stamp.ts";
import { type Stat, statIfThere, statOf } from "../stat.ts";
import type { OpenWorkspace } from "../workspace.ts";
import {
  type Change,
  type Conflict,
  changesOf,
  conflictOf,
  isSelected,
  isThere,
  type Same,
} from "./changes.ts";
import { APPLIED_MODE, onEntry, type Place, put, take } from "./put.ts";
import { settle } from "./settle.ts";

export interface ApplyOptions {
  /** Paths, each with all below it; undefined: everything. */
  readonly paths?: readonly Names[] | undefined;
  /** Just these, as they were when somebody looked at them; undefined: whatever there is. */
  readonly seen?: readonly Change[] | undefined;
  /** Nothing at all when there is a conflict. */
  readonly atomic?: boolean | undefined;
}

/** Why a change stays with the guest. */
export type Kept =
  | { readonly why: "conflict"; readonly conflict: Conflict }
  /** A FIFO or socket. */
  | { readonly why: "special" }
  /** The guest has changed it once more since somebody looked. */
  | { readonly why: "newer" }
  | { readonly why: "failed"; readonly errno: number };

export interface Applied {
  readonly applied: readonly Change[];
  readonly kept: readonly { readonly change: Change; readonly because: Kept }[];
  /** Nothing was done, because of `atomic`. */
  readonly isRefused: boolean;
}

/** What has become of a change on the host: what is there now, and which of the guest's bytes that is. */
export interface Done {
  readonly change: Change;
  readonly stamp: Stamp | undefined;
  readonly source: string | undefined;
}

/** Changes that are meant: those below the paths, and the new directories that these are in. */
export function selected(changes: readonly Change[], paths: readonly Names[] | undefined): Change[] {
  if (paths === undefined) return [...changes];
  return changes.filter(({ names, node, base }) => {
    if (isSelected(names, paths)) return true;
    const isNewDirectory = node?.kind === "directory" && base?.kind !== "directory";
    return isNewDirectory && paths.some((path) => isSelected(path, [names]));
  });
}

/**
 * Brings changes to the host's folder. What the host has changed itself meanwhile is left as it is, and the guest's
 * change stays one. What was applied is a change no more.
 *
 * @throws FileError when the index cannot be written; errors with single files are results
 */
export function applyChanges(workspace: OpenWorkspace, options: ApplyOptions = {}): Applied {
  const same: Same[] = [];
  const changes = selected(
    changesOf(workspace, (one) => same.push(one)),
    options.paths,
  );
  if (options.atomic && changes.some(({ conflict }) => conflict !== undefined))
    return { applied: [], kept: changes.flatMap(asConflict), isRefused: true };
  const done: Done[] = [];
  const kept: { change: Change; because: Kept }[] = [];
  const modes: Change[] = [];
  const seen = options.seen && new Set(options.seen.map(identityOf));
  for (const change of changes) {
    const outcome = seen?.has(identityOf(change)) === false ? NEWER : applied(workspace, change);
    if ("why" in outcome) {
      kept.push({ change, because: outcome });
      continue;
    }
    done.push({ change, ...outcome });
    if (change.node?.kind === "directory") modes.push(change);
  }
  // From within: a directory that cannot be written to must have all that belongs into it.
  for (const change of modes.reverse()) giveMode(workspace, change);
  // What the index forgets must not be lost with the host's power.
  if (done.length > 0) must(syncFilesystem(workspace.host.fd));
  settle(workspace, done, same);
  return { applied: done.map(({ change }) => change), kept, isRefused: false };
}

const NEWER: Kept = { why: "newer" };

const identityOf = ({ names, status, fingerprint }: Change): string =>
  `${status} ${fingerprint} ${names.join("/")}`;

const asConflict = (change: Change) =>
  change.conflict === undefined
    ? []
    : [{ change, because: { why: "conflict", conflict: change.conflict } as const }];

type Outcome = Omit<Done, "change"> | Kept;

const GONE: Outcome = { stamp: undefined, source: undefined };

const conflicting = (conflict: Conflict): Kept => ({ why: "conflict", conflict });

function applied(workspace: OpenWorkspace, change: Change): Outcome {
  const { node, names } = change;
  if (node?.kind === "fifo" || node?.kind === "socket") return { why: "special" };
  const name = names.at(-1) as string;
  try {
    return workspace.host.inDirectory(names.slice(0, -1), (directory) =>
      appliedIn({ workspace, names, directory, name }, change),
    );
  } catch (error) {
    if (isNotThere(error)) return change.status === "deleted" ? GONE : conflicting("unreachable");
    if (error instanceof FileError) return { why: "failed", errno: error.errno };
    throw error;
  }
}

function appliedIn(place: Place, change: Change): Outcome {
  const { workspace, names, directory, name } = place;
  const { node, base } = change;
  const stat = statIfThere(directory, name);
  const conflict = conflictOf(workspace, change, stat);
  // What was in a directory that goes has gone before it, or stays.
  if (conflict !== undefined && conflict !== "not-empty") return conflicting(conflict);
  if (node === undefined) return removed(place, stat, base);
  if (stat !== undefined && isThere(workspace, names, node, stat))
    return { stamp: stampOf(stat), source: undefined };
  if (stat !== undefined && !change.hasNewContent) return withMode(directory, name, change, stat);
  if (stat?.kind === "directory") {
    const left = removed(place, stat, base);
    if ("why" in left) return left;
  }
  const before = stat?.kind === "directory" ? undefined : stat;
  const outcome = put(place, node, before);
  return typeof outcome === "string" ? conflicting(outcome) : outcome;
}

function removed(place: Place, stat: Stat | undefined, base: Stamp | undefined): Outcome {
  if (stat === undefined) return GONE;
  if (base === undefined) return conflicting("created");
  if (stat.kind !== "directory") {
    const conflict = take(place, stat);
    return conflict === undefined ? GONE : conflicting(conflict);
  }
  const result = unlinkAt(place.directory, place.name, true);
  if (result === -Errno.ENOTEMPTY || result === -Errno.EEXIST) return conflicting("not-empty");
  if (result !== -Errno.ENOENT) must(result);
  return GONE;
}

/** Only another mode: the host's file stays the one that it is. */
function withMode(directory: number, name: string, { node, base }: Change, stat: Stat): Outcome {
  return onEntry(directory, name, (fd) => {
    if (statOf(fd).inode !== stat.inode) return conflicting("changed");
    must(changeMode(fd, ((node?.mode ?? 0) & APPLIED_MODE) | (stat.mode & ~APPLIED_MODE & 0o7777)));
    return { stamp: stampOf(statOf(fd), base?.hash), source: undefined };
  });
}

function giveMode({ host }: OpenWorkspace, { names, node, base }: Change): void {
  const mode = (node?.mode ?? 0o755) & APPLIED_MODE;
  if (base?.kind === "directory" && (base.mode & APPLIED_MODE) === mode) return;
  try {
    host.inDirectory(names.slice(0, -1), (directory) =>
      onEntry(directory, names.at(-1) as string, (fd) => {
        const stat = statOf(fd);
        if (stat.kind === "directory") must(changeMode(fd, mode | (stat.mode & ~APPLIED_MODE & 0o7777)));
      }),
    );
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
  }
}
