import { closeDescriptor, OpenFlag } from "../../../ffi/files.ts";
import { Errno, refuse } from "../../files/errno.ts";
import type { Layer } from "./layer.ts";
import type { Live } from "./live.ts";

/** Open files and directories of one workspace; each file's is a descriptor of this process. */
const MAX_HANDLES = 8192;

/** A name in a directory that was read. */
export interface Listed {
  readonly name: string;
  readonly inode: bigint;
  readonly type: number;
}

interface Handle {
  readonly live: Live;
  readonly isDirectory: boolean;
  /** Of a file. */
  fd: number;
  /** Whether `fd` is of the upper. */
  isUpper: boolean;
  readonly canWrite: boolean;
  /** Of a directory, once it has been read. */
  names: readonly Listed[] | undefined;
}

/** What the guest has open. */
export class Handles {
  readonly #layer: Layer;
  readonly #handles = new Map<number, Handle>();
  #last = 0;

  constructor(layer: Layer) {
    this.#layer = layer;
  }

  /** @param flags of open(2) */
  openFile(live: Live, flags: number): number {
    const access = flags & OpenFlag.accessMode;
    const truncates = (flags & OpenFlag.truncate) !== 0;
    const canWrite = access !== 0 || truncates;
    if (canWrite) this.#layer.copyUp(live);
    const handle: Handle = { live, isDirectory: false, fd: -1, isUpper: false, canWrite, names: undefined };
    const kind = this.#layer.nodeOf(live)?.kind ?? this.#layer.statOf(live).kind;
    if (kind === "directory") refuse(Errno.EISDIR);
    if (kind !== "file") refuse(Errno.ENXIO);
    this.#open(handle, truncates ? OpenFlag.truncate : 0);
    return this.#add(handle);
  }

  openDirectory(live: Live): number {
    const kind = this.#layer.nodeOf(live)?.kind ?? this.#layer.statOf(live).kind;
    if (kind !== "directory") refuse(Errno.ENOTDIR);
    return this.#add({
      live,
      isDirectory: true,
      fd: -1,
      isUpper: false,
      canWrite: false,
      names: undefined,
    });
  }

  /** The descriptor to read from: the upper's, if the file has got there since it was opened. */
  reader(number: number): number {
    const handle = this.#file(number);
    if (!handle.isUpper && handle.live.upper !== undefined) {
      closeDescriptor(handle.fd);
      this.#open(handle, 0);
    }
    return handle.fd;
  }

  writer(number: number): number {
    const handle = this.#file(number);
    return handle.canWrite ? handle.fd : refuse(Errno.EBADF);
  }

  liveOf(number: number): Live {
    return this.#any(number).live;
  }

  isDirectory(number: number): boolean {
    return this.#any(number).isDirectory;
  }

  /** @param list reads the directory; what it gave is kept until it is asked for anew */
  names(number: number, anew: boolean, list: (live: Live) => readonly Listed[]): readonly Listed[] {
    const handle = this.#any(number);
    if (!handle.isDirectory) refuse(Errno.EBADF);
    if (anew || handle.names === undefined) handle.names = list(handle.live);
    return handle.names;
  }

  release(number: number): void {
    const handle = this.#any(number);
    this.#handles.delete(number);
    if (handle.fd >= 0) closeDescriptor(handle.fd);
    this.#layer.lives.releaseHandle(handle.live);
  }

  close(): void {
    for (const number of [...this.#handles.keys()]) this.release(number);
  }

  #add(handle: Handle): number {
    if (this.#handles.size >= MAX_HANDLES) {
      if (handle.fd >= 0) closeDescriptor(handle.fd);
      refuse(Errno.ENFILE);
    }
    this.#last += 1;
    this.#handles.set(this.#last, handle);
    handle.live.handles += 1;
    return this.#last;
  }

  #open(handle: Handle, flags: number): void {
    const { live } = handle;
    handle.isUpper = live.upper !== undefined;
    const access = handle.canWrite ? OpenFlag.readWrite : 0;
    handle.fd =
      live.upper === undefined
        ? this.#layer.host.openFile(live.names)
        : this.#layer.data.open(live.upper, access | flags);
  }

  #file(number: number): Handle {
    const handle = this.#any(number);
    return handle.isDirectory ? refuse(Errno.EBADF) : handle;
  }

  #any(number: number): Handle {
    return this.#handles.get(number) ?? refuse(Errno.EBADF);
  }
}
