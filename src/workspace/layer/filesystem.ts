import { timespecs } from "../../../ffi/file-layouts.ts";
import {
  allocateSpace,
  changeSize,
  changeTimes,
  closeDescriptor,
  copyRange,
  OpenFlag,
  readAt,
  seek,
  syncFile,
  writeAt,
} from "../../../ffi/files.ts";
import { errnoOf } from "../../errors.ts";
import { Errno, FileError, must, refuse } from "../../files/errno.ts";
import type { Caller, Changes, DirectoryEntry, Filesystem, Space } from "../../files/filesystem.ts";
import type { HandleBudget } from "../../files/folder/handles.ts";
import { spaceOf } from "../../files/folder/space.ts";
import { withOwn } from "../copy.ts";
import type { Node } from "../index-file.ts";
import { kindOfMode, nearestTime, PERMISSION_BITS } from "../stat.ts";
import { extendedOfLive, removeExtended, setExtended } from "./extended-names.ts";
import { Handles } from "./handles.ts";
import { type Layer, now } from "./layer.ts";
import { listing } from "./listing.ts";
import { Listings } from "./listings.ts";
import type { Live } from "./live.ts";
import { held, link, make, makeFile, removeDirectory, SET_GROUP_ID, unlink } from "./names.ts";
import { rename } from "./rename.ts";

/** fallocate(2): KEEP_SIZE, PUNCH_HOLE and ZERO_RANGE. */
const ALLOCATIONS = 0x01 | 0x02 | 0x10;

/** Bytes of one copy, while which nobody else is served. */
const MAX_COPY = 16 * 1024 * 1024;

/** PATH_MAX of Linux. */
const MAX_TARGET = 4095;

/** What a volume of kind `overlay` serves: the layer, in the words of a file server. */
export class WorkspaceFilesystem implements Filesystem {
  readonly #layer: Layer;
  readonly #handles: Handles;
  readonly #listings = new Listings();
  readonly #close: () => void;

  /** @param close called at the end */
  constructor(layer: Layer, budget: HandleBudget, close: () => void) {
    this.#layer = layer;
    this.#handles = new Handles(layer, budget);
    this.#close = close;
  }

  lookup(parent: number, name: string) {
    return answered(() => {
      const directory = this.#live(parent);
      const found = this.#layer.existing(directory, name);
      const current = this.#layer.letGoOfApplied(directory, found)
        ? this.#layer.existing(directory, name)
        : found;
      return held(this.#layer, this.#layer.liveOf(directory, name, current));
    });
  }

  forget(node: number, holds: number): void {
    answered(() => this.#layer.lives.forget(node, holds));
  }

  getAttributes(node: number, handle?: number) {
    return answered(() => {
      const opened = handle === undefined ? undefined : this.#handles.descriptor(handle);
      return this.#layer.attributesOf(this.#live(node), opened);
    });
  }

  setAttributes(node: number, changes: Changes) {
    return answered(() => {
      const live = this.#live(node);
      const { uid, gid, size } = changes;
      const mode = changes.mode ?? this.#withoutSetId(live, changes);
      const { killSetId, ...others } = changes;
      const isChange = mode !== undefined || Object.values(others).some((value) => value !== undefined);
      if (!isChange) return this.#layer.attributesOf(live);
      this.#layer.index.change(() => {
        const { kind, id, ...old } = this.#layer.index.node(
          this.#layer.copyUp(live, size === 0 ? "nothing" : "bytes"),
        ) as Node;
        if (mode !== undefined && kind === "symlink") refuse(Errno.EOPNOTSUPP);
        if (size !== undefined) {
          if (kind !== "file") refuse(Errno.EINVAL);
          withOwn(this.#layer.data.path(id), OpenFlag.write, (fd) => must(changeSize(fd, size, true)));
        }
        const accessed = moment(changes.accessedAt);
        const modified = moment(changes.modifiedAt);
        this.#layer.index.setNode(id, {
          ...(mode !== undefined || uid !== undefined || gid !== undefined ? { applied: undefined } : {}),
          mode: mode === undefined ? old.mode : mode & PERMISSION_BITS,
          uid: uid ?? old.uid,
          gid: gid ?? old.gid,
          accessed: accessed ?? old.accessed,
          modified: modified ?? old.modified,
          changed: now(),
        });
        if (kind === "file" && (accessed !== undefined || modified !== undefined)) {
          const times = timespecs(accessed, modified);
          withOwn(this.#layer.data.path(id), OpenFlag.write, (fd) => must(changeTimes(fd, times)));
        }
      });
      return this.#layer.attributesOf(live);
    });
  }

  /** As the kernel does it when a file changes hands or is written to; undefined when the mode stays what it is. */
  #withoutSetId(live: Live, { uid, gid, killSetId }: Changes): number | undefined {
    if (!killSetId && uid === undefined && gid === undefined) return undefined;
    const { mode } = this.#layer.attributesOf(live);
    if (kindOfMode(mode) !== "file") return undefined;
    // The group's bit means something else where the group may not execute.
    const gone = 0o4000 | ((mode & 0o010) === 0 ? 0 : SET_GROUP_ID);
    return (mode & gone) === 0 ? undefined : mode & ~gone & PERMISSION_BITS;
  }

  readLink(node: number): Uint8Array {
    return answered(() => {
      const live = this.#live(node);
      const known = this.#layer.nodeOf(live);
      if (known === undefined) return this.#layer.host.readLink(live.names);
      return known.target ?? refuse(Errno.EINVAL);
    });
  }

  symlink(parent: number, name: string, target: string, caller: Caller) {
    if (target === "") refuse(Errno.ENOENT);
    if (target.length > MAX_TARGET) refuse(Errno.ENAMETOOLONG);
    const bytes = Buffer.from(target, "latin1");
    return this.#made(parent, name, { kind: "symlink", mode: 0o777, target: bytes, caller });
  }

  makeNode(parent: number, name: string, mode: number, caller: Caller) {
    const kind = kindOfMode(mode);
    if (kind === "fifo" || kind === "socket") return this.#made(parent, name, { kind, mode, caller });
    if (kind !== "file" && (mode & ~PERMISSION_BITS) !== 0) refuse(Errno.EPERM);
    return answered(() => held(this.#layer, makeFile(this.#layer, this.#live(parent), name, mode, caller)));
  }

  makeDirectory(parent: number, name: string, mode: number, caller: Caller) {
    return this.#made(parent, name, { kind: "directory", mode, caller });
  }

  #made(parent: number, name: string, file: Parameters<typeof make>[3]) {
    return answered(() => held(this.#layer, make(this.#layer, this.#live(parent), name, file)));
  }

  link(node: number, parent: number, name: string) {
    return answered(() => held(this.#layer, link(this.#layer, this.#live(node), this.#live(parent), name)));
  }

  unlink(parent: number, name: string): void {
    answered(() => unlink(this.#layer, this.#live(parent), name));
  }

  removeDirectory(parent: number, name: string): void {
    answered(() => removeDirectory(this.#layer, this.#live(parent), name));
  }

  rename(parent: number, name: string, newParent: number, newName: string, flags: number): void {
    answered(() => rename(this.#layer, this.#live(parent), name, this.#live(newParent), newName, flags));
  }

  open(node: number, flags: number): number {
    return answered(() => this.#handles.openFile(this.#live(node), flags));
  }

  create(parent: number, name: string, mode: number, flags: number, caller: Caller) {
    return answered(() => {
      const directory = this.#live(parent);
      const found = this.#layer.find(directory, name);
      const exists = found.node !== undefined || found.stat !== undefined;
      if (exists && (flags & OpenFlag.exclusive) !== 0) refuse(Errno.EEXIST);
      // Where there is none left, no file is made.
      this.#handles.checkRoom();
      const live = exists
        ? this.#layer.liveOf(directory, name, found)
        : makeFile(this.#layer, directory, name, mode, caller);
      const entry = held(this.#layer, live);
      try {
        return { entry, handle: this.#handles.openFile(live, exists ? flags : flags | OpenFlag.write) };
      } catch (error) {
        this.#layer.lives.forget(live.number, 1);
        throw error;
      }
    });
  }

  read(handle: number, into: Uint8Array, offset: number): number {
    return answered(() => must(readAt(this.#handles.reader(handle), into, offset)));
  }

  write(handle: number, bytes: Uint8Array, offset: number): number {
    return answered(() => must(writeAt(this.#handles.writer(handle), bytes, offset)));
  }

  sync(handle: number, dataOnly: boolean): void {
    answered(() => {
      if (!this.#handles.isDirectory(handle)) must(syncFile(this.#handles.reader(handle), dataOnly));
      this.#layer.data.flushNames();
      this.#layer.index.flush();
    });
  }

  allocate(handle: number, mode: number, offset: number, length: number): void {
    if ((mode & ~ALLOCATIONS) !== 0) refuse(Errno.EOPNOTSUPP);
    answered(() => must(allocateSpace(this.#handles.writer(handle), mode, offset, length)));
  }

  seek(handle: number, offset: number, whence: number): number {
    return answered(() => must(seek(this.#handles.reader(handle), offset, whence)));
  }

  copyRange(from: number, start: number, to: number, target: number, length: number): number {
    return answered(() => {
      const source = this.#handles.reader(from);
      return must(copyRange(source, start, this.#handles.writer(to), target, Math.min(length, MAX_COPY)));
    });
  }

  release(handle: number): void {
    answered(() => {
      const { listing: kept } = this.#handles.release(handle);
      if (kept !== undefined) this.#listings.drop(kept);
    });
  }

  openDirectory(node: number): number {
    return answered(() => this.#handles.openDirectory(this.#live(node)));
  }

  readDirectory(handle: number, offset: bigint, take: (entry: DirectoryEntry) => boolean): void {
    answered(() => {
      const { live, listing: kept } = this.#handles.directory(handle);
      this.#listings.read(kept, Number(offset), () => listing(this.#layer, live), take);
    });
  }

  space(): Space {
    return answered(() => {
      const fd = this.#layer.data.openDirectory();
      try {
        return { ...spaceOf(fd), nameLength: 255 };
      } finally {
        closeDescriptor(fd);
      }
    });
  }

  getExtended(node: number, name: string): Uint8Array {
    return answered(() => {
      const found = extendedOfLive(this.#layer, this.#live(node)).find((one) => one.name === name);
      return found?.value ?? refuse(Errno.ENODATA);
    });
  }

  listExtended(node: number): string[] {
    return answered(() => extendedOfLive(this.#layer, this.#live(node)).map(({ name }) => name));
  }

  setExtended(node: number, name: string, value: Uint8Array, flags: number): void {
    answered(() => setExtended(this.#layer, this.#live(node), name, value, flags));
  }

  removeExtended(node: number, name: string): void {
    answered(() => removeExtended(this.#layer, this.#live(node), name));
  }

  close(): void {
    this.#handles.close();
    this.#close();
  }

  #live(number: number) {
    return this.#layer.lives.get(number);
  }
}

function moment(time: bigint | "now" | undefined): bigint | undefined {
  if (time === "now") return now();
  return time === undefined ? undefined : nearestTime(time);
}

/** The guest gets an errno for whatever goes wrong with files of ours; what is no such error is a bug. */
function answered<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof FileError) throw error;
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return refuse(code === "ENOSPC" || code === "EDQUOT" ? Errno.ENOSPC : Errno.EIO);
  }
}
