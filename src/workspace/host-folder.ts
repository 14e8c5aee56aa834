/**
 * The host's folder, reached from its own descriptor one name after the other, following no link: whatever the guest
 * calls its files, and whatever somebody swaps in meanwhile, nothing outside the folder is reached.
 */
import { closeSync, constants, openSync } from "node:fs";
import { type Dirent, direntsIn } from "../../ffi/file-layouts.ts";
import { closeDescriptor, OpenFlag, openAt, readEntries, readLink } from "../../ffi/files.ts";
import { Errno, FileError, must, refuse } from "../files/errno.ts";
import { type Stat, statIfThere, statOf } from "./stat.ts";

/** A path below the folder, as its names; empty for the folder itself. A name has a character for each byte. */
export type Names = readonly string[];

const STEP = OpenFlag.pathOnly | OpenFlag.directory | OpenFlag.noFollow;

/** @throws FileError for what is not there, or not a directory: then something has replaced it by a link or a file */
export const openDirectoryAt = (parent: number, name: string): number => must(openAt(parent, name, STEP));

export class HostFolder implements Disposable {
  /** Of the folder itself. */
  readonly fd: number;
  readonly path: string;

  /** @param path of a directory; the errors are those of open(2) */
  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  /** Works with an open directory, which is closed behind it. @throws FileError */
  inDirectory<T>(names: Names, work: (directory: number) => T): T {
    let directory = this.fd;
    try {
      for (const name of names) {
        const next = openDirectoryAt(directory, name);
        if (directory !== this.fd) closeDescriptor(directory);
        directory = next;
      }
      return work(directory);
    } finally {
      if (directory !== this.fd) closeDescriptor(directory);
    }
  }

  /** Undefined when there is nothing, or when the way to it leads over something that is no directory. */
  stat(names: Names): Stat | undefined {
    const name = names.at(-1);
    if (name === undefined) return statOf(this.fd);
    try {
      return this.inDirectory(names.slice(0, -1), (directory) => statIfThere(directory, name));
    } catch (error) {
      if (isNotThere(error)) return undefined;
      throw error;
    }
  }

  /** Opens a regular file to read it; the caller closes it. @throws FileError */
  openFile(names: Names): number {
    return this.inDirectory(names.slice(0, -1), (directory) => openFileAt(directory, names.at(-1) as string));
  }

  readLink(names: Names): Uint8Array {
    return this.inDirectory(names.slice(0, -1), (directory) => readLinkAt(directory, names.at(-1) as string));
  }

  /** Names in a directory, without `.` and `..`. @throws FileError */
  list(names: Names): Dirent[] {
    return this.inDirectory(names, listOf);
  }

  /** As `list`; nothing in what is not there. */
  listIfThere(names: Names): Dirent[] {
    try {
      return this.list(names);
    } catch (error) {
      if (isNotThere(error)) return [];
      throw error;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

const GONE: ReadonlySet<number> = new Set([Errno.ENOENT, Errno.ENOTDIR, Errno.ELOOP]);

export const isNotThere = (error: unknown): boolean => error instanceof FileError && GONE.has(error.errno);

/** Without waiting for a FIFO's other end, and without leaving a regular file's kind unchecked. */
export function openFileAt(directory: number, name: string): number {
  const fd = must(openAt(directory, name, OpenFlag.noFollow | OpenFlag.nonBlocking | OpenFlag.noTerminal));
  try {
    if (statOf(fd).kind !== "file") refuse(Errno.EINVAL);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** PATH_MAX of Linux. */
const MAX_TARGET = 4096;

export function readLinkAt(directory: number, name: string): Uint8Array {
  const fd = must(openAt(directory, name, OpenFlag.pathOnly | OpenFlag.noFollow));
  try {
    const target = new Uint8Array(MAX_TARGET);
    return target.slice(0, must(readLink(fd, target)));
  } finally {
    closeDescriptor(fd);
  }
}

/** Names in an open directory, from its start, without `.` and `..`. @throws FileError */
export function listOf(directory: number): Dirent[] {
  const fd = must(openAt(directory, ".", OpenFlag.directory));
  const entries: Dirent[] = [];
  const bytes = Buffer.alloc(64 * 1024);
  try {
    for (;;) {
      const length = must(readEntries(fd, bytes));
      if (length === 0) return entries;
      for (const entry of direntsIn(bytes, length))
        if (entry.name !== "." && entry.name !== "..") entries.push(entry);
    }
  } finally {
    closeDescriptor(fd);
  }
}
