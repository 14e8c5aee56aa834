import {
  changeMode,
  changeSize,
  changeTimes,
  closeDescriptor,
  getAttribute,
  linkTo,
  listAttributes,
  makeDirectoryAt,
  makeNodeAt,
  OpenFlag,
  openAt,
  readLink,
  removeAttribute,
  renameAt,
  reopen,
  setAttribute,
  symlinkAt,
  Time,
  unlinkAt,
} from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../errno.ts";
import type { Attributes, Caller, Changes, DirectoryEntry, Entry, Filesystem, Space } from "../filesystem.ts";
import { type Access, OwnerAccess, rootAccess } from "./access.ts";
import { allocate, copyRange, read, seek, sync, write } from "./content.ts";
import { readDirectory } from "./directory.ts";
import { type HandleBudget, Handles } from "./handles.ts";
import { type Descriptors, type Inode, Inodes } from "./inodes.ts";
import { type Owners, SameOwners, UserOwners } from "./owners.ts";
import { spaceOf } from "./space.ts";
import { DIRECTORY, LINK, PERMISSIONS, REGULAR, SET_GROUP_ID, Stat } from "./stat.ts";

export interface FolderOptions {
  /** Descriptor of the directory, or of the single file, that is shared; the folder closes it. */
  readonly root: number;
  readonly descriptors: Descriptors;
  readonly handles: HandleBudget;
  /** Who runs this process: root passes owners on, a user's files belong to root of the guest. */
  readonly user: Caller;
}

/** A directory of the host, or one file, for a guest. */
export class Folder implements Filesystem {
  readonly #stat = new Stat();
  readonly #root: number;
  readonly #access: Access;
  readonly #owners: Owners;
  readonly #inodes: Inodes;
  readonly #handles: Handles;

  /** @throws FileError when the root cannot be looked at */
  constructor({ root, descriptors, handles, user }: FolderOptions) {
    this.#root = root;
    const isRoot = user.uid === 0;
    this.#access = isRoot ? rootAccess : new OwnerAccess(user.uid, new Stat());
    this.#owners = isRoot
      ? new SameOwners(this.#stat)
      : new UserOwners(user.uid, user.gid, this.#stat, this.#access);
    this.#inodes = new Inodes(root, descriptors, this.#access, this.#stat);
    this.#handles = new Handles(handles);
  }

  /** Files that the guest knows of. */
  get known(): number {
    return this.#inodes.count;
  }

  lookup(parent: number, name: string): Entry {
    return this.#enter(this.#inodes.byId(parent), name);
  }

  forget(node: number, holds: number): void {
    this.#inodes.forget(node, holds);
  }

  getAttributes(node: number, handle?: number): Attributes {
    if (handle === undefined) return this.#attributes(this.#inodes.byId(node));
    const { fd } = this.#handles.any(handle);
    must(this.#stat.read(fd));
    return this.#seen(fd, undefined);
  }

  setAttributes(node: number, changes: Changes, handle?: number): Attributes {
    const inode = this.#inodes.byId(node);
    const opened = handle === undefined ? undefined : this.#handles.any(handle).fd;
    const fd = opened ?? this.#inodes.descriptor(inode);
    const { uid, gid, mode, size } = changes;
    const given = uid !== undefined || gid !== undefined;
    if (given) this.#owners.change(fd, uid, gid);
    if ((changes.killSetId || given) && mode === undefined) this.#dropSetId(fd, inode);
    if (mode !== undefined) {
      if (inode.type === LINK) refuse(Errno.EOPNOTSUPP);
      must(changeMode(fd, mode));
    }
    if (size !== undefined) {
      if (inode.type !== REGULAR) refuse(Errno.EINVAL);
      must(this.#access.onFile(fd, () => changeSize(fd, size, opened !== undefined)));
    }
    if (changes.accessedAt !== undefined || changes.modifiedAt !== undefined)
      must(this.#access.onFile(fd, () => changeTimes(fd, timesOf(changes))));
    must(this.#stat.read(fd));
    return this.#seen(fd, undefined);
  }

  readLink(node: number): Uint8Array {
    const inode = this.#inodes.byId(node);
    if (inode.type !== LINK) refuse(Errno.EINVAL);
    const target = new Uint8Array(4096);
    return target.subarray(0, must(readLink(this.#inodes.descriptor(inode), target)));
  }

  symlink(parent: number, name: string, target: string, caller: Caller): Entry {
    return this.#makeEntry(parent, name, caller, (directory) => symlinkAt(target, directory, name));
  }

  makeNode(parent: number, name: string, mode: number, caller: Caller): Entry {
    return this.#makeEntry(parent, name, caller, (directory) => makeNodeAt(directory, name, mode), mode);
  }

  makeDirectory(parent: number, name: string, mode: number, caller: Caller): Entry {
    return this.#makeEntry(parent, name, caller, (directory) => makeDirectoryAt(directory, name, mode), mode);
  }

  link(node: number, parent: number, name: string): Entry {
    const fd = this.#inodes.descriptor(this.#inodes.byId(node));
    const directory = this.#inodes.byId(parent);
    this.#inDirectory(directory, (at) => linkTo(fd, at, name));
    return this.#enter(directory, name);
  }

  unlink(parent: number, name: string): void {
    this.#inDirectory(this.#inodes.byId(parent), (directory) => unlinkAt(directory, name, false));
  }

  removeDirectory(parent: number, name: string): void {
    this.#inDirectory(this.#inodes.byId(parent), (directory) => unlinkAt(directory, name, true));
  }

  rename(parent: number, name: string, newParent: number, newName: string, flags: number): void {
    const from = this.#inodes.byId(parent);
    const to = this.#inodes.byId(newParent);
    const source = this.#inodes.descriptor(from);
    const target = this.#inodes.descriptor(to);
    const move = (): number => renameAt(source, name, target, newName, flags);
    must(this.#access.inDirectory(source, () => this.#access.inDirectory(target, move)));
    if (this.#stat.read(target, newName) === 0) this.#inodes.moved(to, newName);
    if (flags !== 0 && this.#stat.read(source, name) === 0) this.#inodes.moved(from, name);
  }

  open(node: number, flags: number): number {
    return this.#openFile(this.#inodes.byId(node), flags);
  }

  create(parent: number, name: string, mode: number, flags: number, caller: Caller) {
    const directory = this.#inodes.byId(parent);
    const wanted = (flags & KEPT_FLAGS) | OpenFlag.create | OpenFlag.exclusive | OpenFlag.noFollow;
    const at = this.#inodes.descriptor(directory);
    const fd = this.#access.inDirectory(at, () => openAt(at, name, wanted, mode));
    if (fd === -Errno.EEXIST && (flags & OpenFlag.exclusive) === 0) {
      const entry = this.#enter(directory, name);
      return { entry, handle: this.#openEntry(entry.node, flags) };
    }
    must(fd);
    try {
      this.#made(at, fd, caller, mode);
      const entry = this.#enter(directory, name);
      const inode = this.#inodes.byId(entry.node);
      const handle = this.#handles.add(inode, false, () => fd);
      this.#inodes.opened(inode, fd);
      return { entry, handle };
    } catch (error) {
      closeDescriptor(fd);
      throw error;
    }
  }

  read = (handle: number, into: Uint8Array, offset: number) => read(this.#file(handle), into, offset);
  write = (handle: number, bytes: Uint8Array, offset: number) => write(this.#file(handle), bytes, offset);
  sync = (handle: number, dataOnly: boolean) => sync(this.#handles.any(handle).fd, dataOnly);
  allocate = (handle: number, mode: number, offset: number, length: number) =>
    allocate(this.#file(handle), mode, offset, length);
  seek = (handle: number, offset: number, whence: number) => seek(this.#file(handle), offset, whence);
  copyRange = (from: number, start: number, to: number, target: number, length: number) =>
    copyRange(this.#file(from), start, this.#file(to), target, length);

  release(handle: number): void {
    const { inode, fd } = this.#handles.any(handle);
    this.#inodes.closed(inode, fd);
    this.#handles.release(handle);
  }

  openDirectory(node: number): number {
    const inode = this.#inodes.byId(node);
    if (inode.type !== DIRECTORY) refuse(Errno.ENOTDIR);
    const fd = this.#inodes.descriptor(inode);
    return this.#handles.add(inode, true, () =>
      must(this.#access.inDirectory(fd, () => reopen(fd, OpenFlag.directory))),
    );
  }

  readDirectory(handle: number, offset: bigint, take: (entry: DirectoryEntry) => boolean): void {
    readDirectory(this.#handles.get(handle, true), offset, take);
  }

  space(node: number): Space {
    return spaceOf(this.#inodes.descriptor(this.#inodes.byId(node)));
  }

  getExtended(node: number, name: string): Uint8Array {
    const fd = this.#attributed(node);
    const value = new Uint8Array(MAX_VALUE);
    return value.subarray(0, must(this.#access.onFile(fd, () => getAttribute(fd, name, value))));
  }

  listExtended(node: number): string[] {
    const names = Buffer.alloc(MAX_VALUE);
    const length = must(listAttributes(this.#attributed(node), names));
    return names.toString("latin1", 0, length).split("\0").slice(0, -1);
  }

  setExtended(node: number, name: string, value: Uint8Array, flags: number): void {
    const fd = this.#attributed(node);
    must(this.#access.onFile(fd, () => setAttribute(fd, name, value, flags)));
  }

  removeExtended(node: number, name: string): void {
    const fd = this.#attributed(node);
    must(this.#access.onFile(fd, () => removeAttribute(fd, name)));
  }

  close(): void {
    this.#handles.close();
    this.#inodes.close();
    closeDescriptor(this.#root);
  }

  /** Only these have attributes of the kind `user.`; a path of a FIFO or device is never followed. */
  #attributed(node: number): number {
    const inode = this.#inodes.byId(node);
    if (inode.type !== REGULAR && inode.type !== DIRECTORY) refuse(Errno.EOPNOTSUPP);
    return this.#inodes.descriptor(inode);
  }

  #file(handle: number): number {
    return this.#handles.get(handle, false).fd;
  }

  #inDirectory(directory: Inode, task: (fd: number) => number): number {
    if (directory.type !== DIRECTORY) refuse(Errno.ENOTDIR);
    const fd = this.#inodes.descriptor(directory);
    return must(this.#access.inDirectory(fd, () => task(fd)));
  }

  #attributes(inode: Inode): Attributes {
    const { fd, name } = this.#inodes.look(inode);
    return this.#seen(fd, name);
  }

  /** The attributes of what `stat` has just seen. */
  #seen(fd: number, name: string | undefined): Attributes {
    const { uid, gid } = this.#owners.shown(fd, name);
    return this.#stat.attributes(uid, gid);
  }

  /** Finds a name and gives the guest a hold on what it is. */
  #enter(parent: Inode, name: string): Entry {
    if (parent.type !== DIRECTORY) refuse(Errno.ENOTDIR);
    const fd = this.#inodes.descriptor(parent);
    must(this.#access.inDirectory(fd, () => this.#stat.read(fd, name)));
    const attributes = this.#seen(fd, name);
    return { node: this.#inodes.hold(parent, name).id, attributes };
  }

  #makeEntry(
    parent: number,
    name: string,
    caller: Caller,
    make: (fd: number) => number,
    mode?: number,
  ): Entry {
    const directory = this.#inodes.byId(parent);
    this.#inDirectory(directory, make);
    const at = this.#inodes.descriptor(directory);
    const fd = must(openAt(at, name, OpenFlag.pathOnly | OpenFlag.noFollow));
    try {
      this.#made(at, fd, caller, mode);
    } finally {
      closeDescriptor(fd);
    }
    return this.#enter(directory, name);
  }

  /** What was made belongs to whoever asked, but for the group in a directory that passes on its own. */
  #made(directory: number, fd: number, caller: Caller, mode: number | undefined): void {
    must(this.#stat.read(directory));
    const inherits = (this.#stat.mode & SET_GROUP_ID) !== 0;
    const gid = inherits ? this.#owners.shown(directory, undefined).gid : caller.gid;
    this.#owners.made(fd, caller.uid, gid);
    // Giving a file away takes these bits from it.
    if (mode !== undefined && (mode & SET_ID_BITS) !== 0) must(changeMode(fd, mode & PERMISSIONS));
  }

  /** As the kernel does it: the group's bit means something else where the group may not execute. */
  #dropSetId(fd: number, inode: Inode): void {
    if (inode.type !== REGULAR || this.#stat.read(fd) !== 0) return;
    const { mode } = this.#stat;
    const gone = 0o4000 | ((mode & 0o010) === 0 ? 0 : SET_GROUP_ID);
    if ((mode & gone) !== 0) must(changeMode(fd, mode & PERMISSIONS & ~gone));
  }

  /** Like `#openFile`, for a file that was held just now: without an open file there is no hold. */
  #openEntry(node: number, flags: number): number {
    try {
      return this.#openFile(this.#inodes.byId(node), flags);
    } catch (error) {
      this.#inodes.forget(node, 1);
      throw error;
    }
  }

  /** Only regular files are opened here: the guest's kernel has FIFOs and sockets of its own, and devices stay shut. */
  #openFile(inode: Inode, flags: number): number {
    if (inode.type !== REGULAR) refuse(inode.type === DIRECTORY ? Errno.EISDIR : Errno.ENXIO);
    const fd = this.#inodes.descriptor(inode);
    const handle = this.#handles.add(inode, false, () =>
      must(this.#access.onFile(fd, () => reopen(fd, (flags & KEPT_FLAGS) | OpenFlag.nonBlocking))),
    );
    this.#inodes.opened(inode, this.#handles.any(handle).fd);
    return handle;
  }
}

/** Of the flags with which the guest opens, those that mean something here, and the same on every architecture. */
const KEPT_FLAGS = OpenFlag.accessMode | OpenFlag.truncate | OpenFlag.append;
const SET_ID_BITS = 0o6000;

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux. */
const MAX_VALUE = 65_536;

function timesOf({ accessedAt, modifiedAt }: Changes): BigInt64Array {
  const times = new BigInt64Array(4);
  [accessedAt, modifiedAt].forEach((time, i) => {
    if (typeof time !== "bigint") {
      times[2 * i + 1] = time === "now" ? Time.now : Time.omit;
      return;
    }
    const fraction = ((time % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
    times[2 * i] = (time - fraction) / 1_000_000_000n;
    times[2 * i + 1] = fraction;
  });
  return times;
}
