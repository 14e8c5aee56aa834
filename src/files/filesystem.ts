/**
 * What a guest can ask of a volume, without the wire. Files are numbers that the filesystem gives out: 1 is the root,
 * others come from `lookup` and what makes files, each time one more hold, until `forget` has given all holds back.
 * Handles are open files. Names are checked (names.ts) and, like texts, have a character for each byte.
 *
 * Every function may throw FileError (errno.ts), whose number the guest gets. None waits for another process.
 */

import type { Dirent, FileTime } from "../../ffi/file-layouts.ts";
import type { HostChanges } from "./replay/host-changes.ts";

/** Who asks, in the guest. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
}

/** What stat(2) says. Times are nanoseconds since the epoch. */
export interface Attributes {
  readonly inode: bigint;
  /** Type and permission bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Of 512 bytes. */
  readonly blocks: number;
  readonly blockSize: number;
  readonly accessedAt: bigint;
  readonly modifiedAt: bigint;
  readonly changedAt: bigint;
}

/** A file that has been found or made: one hold on `node`. */
export interface Entry {
  readonly node: number;
  readonly attributes: Attributes;
}

/** What is to be changed; what is absent stays. `now` is the host's time. */
export interface Changes {
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly size?: number | undefined;
  readonly accessedAt?: FileTime;
  readonly modifiedAt?: FileTime;
  /** Set-id bits go, beside what else is changed. */
  readonly killSetId?: boolean | undefined;
}

/** `next` is what a filesystem chooses: with it as an offset, reading goes on behind the entry. */
export type DirectoryEntry = Dirent;

export interface Space {
  readonly blockSize: number;
  readonly blocks: bigint;
  readonly freeBlocks: bigint;
  readonly availableBlocks: bigint;
  readonly files: bigint;
  readonly freeFiles: bigint;
  readonly nameLength: number;
}

export interface Filesystem {
  /** What the host changes in it, for those who watch in the guest; undefined: nobody is told. */
  readonly changes?: HostChanges | undefined;

  lookup(parent: number, name: string): Entry;
  /** Gives holds back; a filesystem that is asked for more than it gave forgets the file. */
  forget(node: number, holds: number): void;
  getAttributes(node: number, handle?: number): Attributes;
  setAttributes(node: number, changes: Changes, handle?: number): Attributes;

  readLink(node: number): Uint8Array;
  symlink(parent: number, name: string, target: string, caller: Caller): Entry;
  /** A regular file, FIFO or socket; `mode` has the type. */
  makeNode(parent: number, name: string, mode: number, caller: Caller): Entry;
  makeDirectory(parent: number, name: string, mode: number, caller: Caller): Entry;
  link(node: number, parent: number, name: string): Entry;
  unlink(parent: number, name: string): void;
  removeDirectory(parent: number, name: string): void;
  /** @param flags of renameat2(2): RENAME_NOREPLACE 1, RENAME_EXCHANGE 2 */
  rename(parent: number, name: string, newParent: number, newName: string, flags: number): void;

  /** @param flags of open(2), as the guest's Linux numbers them */
  open(node: number, flags: number): number;
  create(
    parent: number,
    name: string,
    mode: number,
    flags: number,
    caller: Caller,
  ): { entry: Entry; handle: number };
  /** Fills `into` from `offset` on; returns how many bytes there were. */
  read(handle: number, into: Uint8Array, offset: number): number;
  /** @param isPage of a mapping: it belongs at its offset, also where the handle appends */
  write(handle: number, bytes: Uint8Array, offset: number, isPage?: boolean): number;
  sync(handle: number, dataOnly: boolean): void;
  allocate(handle: number, mode: number, offset: number, length: number): void;
  /** lseek(2) for SEEK_DATA and SEEK_HOLE. */
  seek(handle: number, offset: number, whence: number): number;
  copyRange(from: number, start: number, to: number, target: number, length: number): number;
  /** Also of a directory. */
  release(handle: number): void;

  openDirectory(node: number): number;
  /** Entries from `offset` on, 0 or the `next` of one; `take` returns false to end it. `.` and `..` are among them. */
  readDirectory(handle: number, offset: bigint, take: (entry: DirectoryEntry) => boolean): void;

  space(node: number): Space;
  /** Empty when there is no value of that name (ENODATA is thrown); only names of `user.` come here. */
  getExtended(node: number, name: string): Uint8Array;
  listExtended(node: number): string[];
  /** @param flags XATTR_CREATE 1, XATTR_REPLACE 2 */
  setExtended(node: number, name: string, value: Uint8Array, flags: number): void;
  removeExtended(node: number, name: string): void;

  /** Lets go of all that is open. */
  close(): void;
}
