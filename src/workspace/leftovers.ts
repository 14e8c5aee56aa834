/**
 * Temporary names that an apply gives in the host's folder. Each is noted in the index before it is given, so that what
 * a killed apply left is settled by the next command that changes the workspace: what is the apply's or was to be
 * replaced goes, what somebody has written to meanwhile gets its name back.
 */
import { renameAt, unlinkAt } from "../../ffi/files.ts";
import { FileError } from "../files/errno.ts";
import type { HostFolder, Names } from "./host-folder.ts";
import type { IndexFile } from "./index-file.ts";
import { decodeStamp, encodeStamp, type Stamp, stampOf } from "./stamp.ts";
import { type Stat, statIfThere } from "./stat.ts";

/** `renameat2(2)`. */
export const NO_REPLACE = 1;
export const EXCHANGE = 2;

export interface Temporary {
  /** Path of the file whose place is taken. */
  readonly names: Names;
  /** In the same directory. */
  readonly temporary: string;
  /** The complete file that is to take the place: until then it has the temporary name. */
  readonly ours?: Stat | undefined;
  /** The host's file that gets the temporary name. Without it, and without `ours`, what has the name is the apply's. */
  readonly before?: Stat | undefined;
}

/** How settings begin that note one each. */
const NOTE = "temporary ";

/** Also instead of an earlier note about the same name. @throws FileError ENOSPC, EIO */
export function noteTemporary(index: IndexFile, { names, temporary, ours, before }: Temporary): void {
  const stamp = (stat: Stat | undefined) => stat && encodeStamp(stampOf(stat));
  const note: Note = { names, ours: stamp(ours), before: stamp(before) };
  index.change(() => index.putSetting(`${NOTE}${temporary}`, JSON.stringify(note)));
}

/** The form in the index. */
interface Note {
  readonly names: Names;
  readonly ours?: string | undefined;
  readonly before?: string | undefined;
}

/** For an apply that has come to its end. */
export const forgetTemporaries = (index: IndexFile): void => index.removeSettings(NOTE);

/** For one that may have been killed. A name that cannot be settled stays, and what has it. */
export function settleTemporaries(index: IndexFile, host: HostFolder): void {
  const notes = index.settings(NOTE);
  if (notes.length === 0) return;
  for (const { name, value } of notes) {
    const { names, ours, before } = JSON.parse(value) as Note;
    try {
      host.inDirectory(names.slice(0, -1), (directory) =>
        settleOne(directory, names.at(-1) as string, {
          temporary: name.slice(NOTE.length),
          ours: ours === undefined ? undefined : decodeStamp(ours),
          before: before === undefined ? undefined : decodeStamp(before),
        }),
      );
    } catch (error) {
      // Its directory has gone, or may not be written to any more.
      if (!(error instanceof FileError)) throw error;
    }
  }
  index.change(() => forgetTemporaries(index));
}

function settleOne(
  directory: number,
  name: string,
  { temporary, ours, before }: { temporary: string; ours: Stamp | undefined; before: Stamp | undefined },
): void {
  const there = statIfThere(directory, temporary);
  if (there === undefined) return;
  const isOurs = before === undefined || (ours !== undefined && isSameFile(ours, there));
  // It is what was to go. (With its name back it would be none the better: a rename changes a time of it.)
  const isMeant = before !== undefined && isSameFile(before, there);
  if (isOurs || isMeant) {
    unlinkAt(directory, temporary, false);
    return;
  }
  const current = statIfThere(directory, name);
  if (current === undefined) renameAt(directory, temporary, directory, name, NO_REPLACE);
  else if (ours !== undefined && isSameFile(ours, current)) {
    renameAt(directory, temporary, directory, name, EXCHANGE);
    const back = statIfThere(directory, temporary);
    if (back !== undefined && isSameFile(ours, back)) unlinkAt(directory, temporary, false);
  }
}

/** Renames change only the time of the last change of status. */
export const isSameFile = (before: Stamp, now: Stat): boolean =>
  before.inode === now.inode &&
  before.device === now.device &&
  before.kind === now.kind &&
  before.size === now.size &&
  before.mode === (now.mode & 0o7777) &&
  before.modified === now.modified;
