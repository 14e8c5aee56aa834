import { timespecs } from "../../../ffi/file-layouts.ts";
import {
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
  unlinkAt,
} from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../errno.ts";
import type { Attributes, Caller, Changes, DirectoryEntry, Entry, Filesystem, Space } from "../filesystem.ts";
import { type Access, OwnerAccess, rootAccess } from "./access.ts";
import { allocate, copyRange, read, seek, sync, write } from "./content.ts";
import { readDirectory } from "./directory.ts";
import { type HandleBudget, Handles, type Opened } from "./handles.ts";
import { type Descriptors, type Inode, Inodes, type MemoryBudget } from "./inodes.ts";
import { findName, insideOf, removeMade } from "./named.ts";
import { type Owners, SameOwners, UserOwners } from "./owners.ts";
import { spaceOf } from "./space.ts";
import {
  DIRECTORY,
  inodeNumber,
  LINK,
  PERMISSIONS,
  REGULAR,
  SET_GROUP_ID,
  SET_ID_BITS,
  Stat,
} from "./stat.ts";

export interface FolderOptions {
  /** Descriptor of the directory, or of the single file, that is shared; the folder closes it. */
  readonly root: number;
  readonly descriptors: Descriptors;
  readonly handles: HandleBudget;
  readonly memory: MemoryBudget;
  /** Who runs this process: root passes owners on, a user's files belong to root of the guest. */
  readonly user: Caller;
  /** The session lets no request change anything; nothing else does either, not for a moment. */
  readonly readOnly?: boolean | undefined;
}

/** A directory of the host, or one file, for a guest. */
export class Folder implements Filesystem {
  readonly #stat = new Stat();
  readonly #root: number;
  readonly #access: Access;
  readonly #owners: Owners;
  readonly #inodes: Inodes;
  readonly #handles: Handles;
  /** Of the root. */
  readonly #device: bigint;

  /** @throws FileError when the root cannot be looked at */
  constructor({ root, descriptors, handles, memory, user, readOnly }: FolderOptions) {
    this.#root = root;
    const isRoot = user.uid === 0;
    this.#access = isRoot || readOnly ? rootAccess : new OwnerAccess(user.uid, new Stat());
    this.#owners = isRoot
      ? new SameOwners(this.#stat)
      : new UserOwners(user.uid, user.gid, this.#stat, this.#access);
    this.#inodes = new Inodes(root, descriptors, memory, this.#access, this.#stat);
    this.#device = this.#stat.device;
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
    const { uid, gid, mode, size, accessedAt, modifiedAt } = changes;
    const given = uid !== undefined || gid !== undefined;
    if (given) this.#owners.change(fd, uid, gid);
    if ((changes.killSetId || given) && mode === undefined) this.#dropSetId(fd, inode);
    if (mode !== undefined) {
      if (inode.type === LINK) refuse(Errno.EOPNOTSUPP);
      this.#owners.changeMode(fd, mode);
    }
    if (size !== undefined) {
      if (inode.type !== REGULAR) refuse(Errno.EINVAL);
      must(this.#access.onFile(fd, () => changeSize(fd, size, opened !== undefined)));
    }
    if (accessedAt !== undefined || modifiedAt !== undefined)
      must(this.#access.onFile(fd, () => changeTimes(fd, timespecs(accessedAt, modifiedAt))));
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
    return this.#makeEntry(parent, name, caller, (at) => makeNodeAt(at, name, mode & ~SET_ID_BITS), mode);
  }

  makeDirectory(parent: number, name: string, mode: number, caller: Caller): Entry {
    return this.#makeEntry(
      parent,
      name,
      caller,
      (at) => makeDirectoryAt(at, name, mode & ~SET_ID_BITS),
      mode,
    );
  }

  link(node: number, parent: number, name: string): Entry {
    const fd = this.#inodes.descriptor(this.#inodes.byId(node));
    const directory = this.#inodes.byId(parent);
    this.#inDirectory(directory, (at) => linkTo(fd, at, name));
    return this.#enter(directory, name);
  }

  unlink(parent: number, name: string): void {
    this.#inDirectory(this.#inodes.byId(parent), (directory) =>
      this.#owners.losing(directory, name, () => unlinkAt(directory, name, false)),
    );
  }

  removeDirectory(parent: number, name: string): void {
    this.#inDirectory(this.#inodes.byId(parent), (directory) => unlinkAt(directory, name, true));
  }

  rename(parent: number, name: string, newParent: number, newName: string, flags: number): void {
    const from = this.#inodes.byId(parent);
    const to = this.#inodes.byId(newParent);
    const source = this.#inodes.descriptor(from);
    const target = this.#inodes.descriptor(to);
    const rename = (): number => renameAt(source, name, target, newName, flags);
    const move = (): number =>
      this.#access.inDirectory(source, () => this.#access.inDirectory(target, rename));
    const take = (): number => (flags === 0 ? this.#owners.losing(target, newName, move) : move());
    let result = take();
    // A directory that gets another parent is changed itself, with its `..`.
    if (result === -Errno.EACCES && from !== to) {
      const both = (): number =>
        flags === EXCHANGE ? insideOf(this.#access, target, newName, take) : take();
      result = insideOf(this.#access, source, name, both);
    }
    must(result);
    const isFound = (at: number, called: string): boolean =>
      this.#access.inDirectory(at, () => this.#stat.read(at, called)) === 0;
    if (isFound(target, newName)) this.#inodes.moved(to, newName);
    if (flags === EXCHANGE && isFound(source, name)) this.#inodes.moved(from, name);
  }

  open(node: number, flags: number): number {
    return this.#handles.add(() => this.#openFile(this.#inodes.byId(node), flags)).number;
  }

  create(parent: number, name: string, mode: number, flags: number, caller: Caller) {
    const directory = this.#inodes.byId(parent);
    const kept = flags & KEPT_FLAGS & ~OpenFlag.truncate;
    const wanted = kept | OpenFlag.create | OpenFlag.exclusive | OpenFlag.noFollow;
    const at = this.#inodes.descriptor(directory);
    // The handle first: where there is none left, no file is made.
    const { number, opened } = this.#handles.add(() => {
      const fd = this.#access.inDirectory(at, () => openAt(at, name, wanted, mode & ~SET_ID_BITS));
      if (fd === -Errno.EEXIST && (flags & OpenFlag.exclusive) === 0) {
        const entry = this.#enter(directory, name);
        return { ...this.#openEntry(entry.node, flags), entry };
      }
      must(fd);
      try {
        this.#made(at, fd, caller, mode);
        const entry = this.#enter(directory, name);
        return { ...this.#opened(this.#inodes.byId(entry.node), fd, flags), entry };
      } catch (error) {
        removeMade(this.#access, this.#stat, at, name, fd);
        closeDescriptor(fd);
        throw error;
      }
    });
    return { entry: opened.entry, handle: number };
  }

  write(handle: number, bytes: Uint8Array, offset: number, isPage = false): number {
    const { fd, appends } = this.#handles.get(handle, false);
    // pwrite(2) of what was opened to append ignores the offset.
    if (!isPage || !appends) return write(fd, bytes, offset);
    const plain = must(this.#access.onFile(fd, () => reopen(fd, OpenFlag.write)));
    try {
      return write(plain, bytes, offset);
    } finally {
      closeDescriptor(plain);
    }
  }

  read = (handle: number, into: Uint8Array, offset: number) => read(this.#file(handle), into, offset);
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
    return this.#handles.add(() => {
      const opened = must(this.#access.inDirectory(fd, () => reopen(fd, OpenFlag.directory)));
      const device = this.#stat.read(opened) === 0 ? this.#stat.device : this.#device;
      return { fd: opened, inode, isDirectory: true, device };
    }).number;
  }

  readDirectory(handle: number, offset: bigint, take: (entry: DirectoryEntry) => boolean): void {
    const directory = this.#handles.get(handle, true);
    const { device = this.#device } = directory;
    readDirectory(directory, offset, (entry) =>
      take({ ...entry, inode: inodeNumber(entry.inode, device, this.#device) }),
    );
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
    return this.#stat.attributes(this.#owners.shown(fd, name), this.#device);
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
    const fd = must(findName(this.#access, at, name));
    try {
      this.#made(at, fd, caller, mode);
      return this.#enter(directory, name);
    } catch (error) {
      removeMade(this.#access, this.#stat, at, name, fd);
      throw error;
    } finally {
      closeDescriptor(fd);
    }
  }

  /** What was made belongs to whoever asked, but for the group in a directory that passes on its own. */
  #made(directory: number, fd: number, caller: Caller, mode: number | undefined): void {
    must(this.#stat.read(directory));
    const inherits = (this.#stat.mode & SET_GROUP_ID) !== 0;
    const gid = inherits ? this.#owners.shown(directory, undefined).gid : caller.gid;
    this.#owners.made(fd, caller.uid, gid);
    // Giving a file away takes these bits from it.
    if (mode !== undefined && (mode & SET_ID_BITS) !== 0) this.#owners.changeMode(fd, mode & PERMISSIONS);
  }

  /** As the kernel does it: the group's bit means something else where the group may not execute. */
  #dropSetId(fd: number, inode: Inode): void {
    if (inode.type !== REGULAR || this.#stat.read(fd) !== 0) return;
    const mode = this.#stat.mode | this.#owners.shown(fd, undefined).setId;
    const gone = 0o4000 | ((mode & 0o010) === 0 ? 0 : SET_GROUP_ID);
    if ((mode & gone) !== 0) this.#owners.changeMode(fd, mode & PERMISSIONS & ~gone);
  }

  /** Like `#openFile`, for a file that was held just now: without an open file there is no hold. */
  #openEntry(node: number, flags: number): Opened {
    try {
      return this.#openFile(this.#inodes.byId(node), flags);
    } catch (error) {
      this.#inodes.forget(node, 1);
      throw error;
    }
  }

  /** Only regular files are opened here: the guest's kernel has FIFOs and sockets of its own, and devices stay shut. */
  #openFile(inode: Inode, flags: number): Opened {
    if (inode.type !== REGULAR) refuse(inode.type === DIRECTORY ? Errno.EISDIR : Errno.ENXIO);
    const mode = flags & OpenFlag.accessMode;
    // For neither reading nor writing, which Linux keeps for old drivers of devices.
    if (mode === OpenFlag.accessMode) refuse(Errno.EINVAL);
    const fd = this.#inodes.descriptor(inode);
    const reopened = (wanted: number): number =>
      must(this.#access.onFile(fd, () => reopen(fd, wanted | OpenFlag.nonBlocking)));
    // Emptied without being writable: this process may not (src/confine/seccomp/), so it is done by another open file.
    const emptied = mode === 0 && (flags & OpenFlag.truncate) !== 0;
    if (emptied) closeDescriptor(reopened(OpenFlag.write | OpenFlag.truncate));
    return this.#opened(inode, reopened(flags & (emptied ? OpenFlag.append : KEPT_FLAGS)), flags);
  }

  #opened(inode: Inode, fd: number, flags: number): Opened {
    this.#inodes.opened(inode, fd);
    return { fd, inode, isDirectory: false, appends: (flags & OpenFlag.append) !== 0 };
  }
}

/** Of the flags with which the guest opens, those that mean something here, and the same on every architecture. */
const KEPT_FLAGS = OpenFlag.accessMode | OpenFlag.truncate | OpenFlag.append;

/** RENAME_EXCHANGE. */
const EXCHANGE = 2;

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux. */
const MAX_VALUE = 65_536;
