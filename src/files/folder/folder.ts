import { timespecs } from "../../../ffi/file-layouts.ts";
import {
  changeSize,
  changeTimes,
  closeDescriptor,
  linkTo,
  makeDirectoryAt,
  makeNodeAt,
  OpenFlag,
  openAt,
  readLink,
  renameAt,
  reopen,
  symlinkAt,
  unlinkAt,
} from "../../../ffi/files.ts";
import { Errno, must, refuse } from "../errno.ts";
import type { Attributes, Caller, Changes, DirectoryEntry, Entry, Filesystem, Space } from "../filesystem.ts";
import { HostChanges } from "../replay/host-changes.ts";
import type { Name, Watches } from "../replay/watches.ts";
import { type Access, OwnerAccess, rootAccess } from "./access.ts";
import { allocate, copyRange, read, seek, sync, write, writePage } from "./content.ts";
import { readDirectory } from "./directory.ts";
import { getExtended, listExtended, removeExtended, setExtended } from "./extended.ts";
import { type HandleBudget, Handles, type Opened } from "./handles.ts";
import { type Descriptors, type Inode, Inodes, type MemoryBudget } from "./inodes.ts";
import { findName, insideOf, removeMade } from "./named.ts";
import { dropSetId, giveToMaker, type Owners, SameOwners, UserOwners } from "./owners.ts";
import { spaceOf } from "./space.ts";
import { DIRECTORY, inodeNumber, LINK, REGULAR, SET_ID_BITS, Stat } from "./stat.ts";

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
  /** Absent: nobody is told what the host changes. */
  readonly watches?: Watches | undefined;
}

/** A directory of the host, or one file, for a guest. */
export class Folder implements Filesystem {
  readonly changes: HostChanges | undefined;
  readonly #stat = new Stat();
  readonly #root: number;
  readonly #access: Access;
  readonly #owners: Owners;
  readonly #inodes: Inodes;
  readonly #handles: Handles;
  /** Of the root. */
  readonly #device: bigint;

  /** @throws FileError when the root cannot be looked at */
  constructor({ root, descriptors, handles, memory, user, readOnly, watches }: FolderOptions) {
    this.#root = root;
    const isRoot = user.uid === 0;
    this.#access = isRoot || readOnly ? rootAccess : new OwnerAccess(user.uid, new Stat());
    this.#owners = isRoot
      ? new SameOwners(this.#stat)
      : new UserOwners(user.uid, user.gid, this.#stat, this.#access);
    this.#inodes = new Inodes(root, descriptors, memory, this.#access, this.#stat, (inode) =>
      this.changes?.forget(inode),
    );
    this.#device = this.#stat.device;
    this.changes = watches && new HostChanges(this.#inodes, this.#stat, watches);
    this.changes?.watch(this.#inodes.root, root);
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
    const drops = (changes.killSetId || given) && mode === undefined && inode.type === REGULAR;
    if (drops) dropSetId(this.#owners, this.#stat, fd);
    if (mode !== undefined) {
      if (inode.type === LINK) refuse(Errno.EOPNOTSUPP);
      this.#owners.changeMode(fd, mode);
    }
    if (size !== undefined) {
      if (inode.type !== REGULAR) refuse(Errno.EINVAL);
      must(this.#access.onFile(fd, () => changeSize(fd, size, opened !== undefined)));
      this.changes?.own(nameOf(inode));
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
    this.#inDirectory(directory, (at) => linkTo(fd, at, name), name);
    return this.#enter(directory, name);
  }

  unlink(parent: number, name: string): void {
    const unlink = (directory: number): number =>
      this.#owners.losing(directory, name, () => unlinkAt(directory, name, false));
    this.#inDirectory(this.#inodes.byId(parent), unlink, name);
  }

  removeDirectory(parent: number, name: string): void {
    this.#inDirectory(this.#inodes.byId(parent), (directory) => unlinkAt(directory, name, true), name);
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
    this.changes?.own({ directory: from, name }, { directory: to, name: newName });
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
      this.changes?.own({ directory, name });
      try {
        giveToMaker(this.#owners, this.#stat, at, fd, caller, mode);
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
    const { fd, appends, inode } = this.#handles.get(handle, false);
    try {
      if (isPage && appends) return writePage(this.#access, fd, bytes, offset);
      return write(fd, bytes, offset);
    } finally {
      this.changes?.own(nameOf(inode));
    }
  }

  read = (handle: number, into: Uint8Array, offset: number) => read(this.#file(handle), into, offset);
  sync = (handle: number, dataOnly: boolean) => sync(this.#handles.any(handle).fd, dataOnly);
  allocate(handle: number, mode: number, offset: number, length: number): void {
    const { fd, inode } = this.#handles.get(handle, false);
    allocate(fd, mode, offset, length);
    this.changes?.own(nameOf(inode));
  }
  seek = (handle: number, offset: number, whence: number) => seek(this.#file(handle), offset, whence);
  copyRange(from: number, start: number, to: number, target: number, length: number): number {
    const { fd, inode } = this.#handles.get(to, false);
    const copied = copyRange(this.#file(from), start, fd, target, length);
    this.changes?.own(nameOf(inode));
    return copied;
  }

  release(handle: number): void {
    const { inode, fd, writes } = this.#handles.any(handle);
    this.#inodes.closed(inode, fd);
    this.#handles.release(handle);
    if (writes) this.changes?.own(nameOf(inode));
  }

  openDirectory(node: number): number {
    const inode = this.#inodes.byId(node);
    if (inode.type !== DIRECTORY) refuse(Errno.ENOTDIR);
    const fd = this.#inodes.descriptor(inode);
    this.changes?.watch(inode, fd);
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

  getExtended = (node: number, name: string) => getExtended(this.#access, this.#attributed(node), name);
  listExtended = (node: number) => listExtended(this.#attributed(node));
  setExtended = (node: number, name: string, value: Uint8Array, flags: number) =>
    setExtended(this.#access, this.#attributed(node), name, value, flags);
  removeExtended = (node: number, name: string) => removeExtended(this.#access, this.#attributed(node), name);

  close(): void {
    this.changes?.close();
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

  /** Changes what one name in a directory stands for. */
  #inDirectory(directory: Inode, task: (fd: number) => number, name: string): void {
    if (directory.type !== DIRECTORY) refuse(Errno.ENOTDIR);
    const fd = this.#inodes.descriptor(directory);
    must(this.#access.inDirectory(fd, () => task(fd)));
    this.changes?.own({ directory, name });
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
    const inode = this.#inodes.hold(parent, name);
    if (inode.type === DIRECTORY) this.changes?.watch(inode, fd, name);
    return { node: inode.id, attributes };
  }

  #makeEntry(
    parent: number,
    name: string,
    caller: Caller,
    make: (fd: number) => number,
    mode?: number,
  ): Entry {
    const directory = this.#inodes.byId(parent);
    this.#inDirectory(directory, make, name);
    const at = this.#inodes.descriptor(directory);
    const fd = must(findName(this.#access, at, name));
    try {
      giveToMaker(this.#owners, this.#stat, at, fd, caller, mode);
      return this.#enter(directory, name);
    } catch (error) {
      removeMade(this.#access, this.#stat, at, name, fd);
      throw error;
    } finally {
      closeDescriptor(fd);
    }
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
    const opened = reopened(flags & (emptied ? OpenFlag.append : KEPT_FLAGS));
    if ((flags & OpenFlag.truncate) !== 0) this.changes?.own(nameOf(inode));
    return this.#opened(inode, opened, flags);
  }

  #opened(inode: Inode, fd: number, flags: number): Opened {
    this.#inodes.opened(inode, fd);
    const appends = (flags & OpenFlag.append) !== 0;
    return { fd, inode, isDirectory: false, appends, writes: (flags & OpenFlag.accessMode) !== 0 };
  }
}

/** Of the flags with which the guest opens, those that mean something here, and the same on every architecture. */
const KEPT_FLAGS = OpenFlag.accessMode | OpenFlag.truncate | OpenFlag.append;

/** By which the guest changes an open file: the host tells of it so. */
const nameOf = (inode: Inode): Name => ({ directory: inode.parent ?? inode, name: inode.name });

/** RENAME_EXCHANGE. */
const EXCHANGE = 2;
