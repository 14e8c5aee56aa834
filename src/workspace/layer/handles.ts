import { closeDescriptor, OpenFlag } from "../../../ffi/files.ts";
import { Errno, refuse } from "../../files/errno.ts";
import type { HandleBudget } from "../../files/folder/handles.ts";
import type { Layer } from "./layer.ts";
import { Listing } from "./listings.ts";
import type { Live } from "./live.ts";

interface Handle {
  readonly live: Live;
  /** Of a file; -1 of a directory. */
  fd: number;
  /** Whether `fd` is of the upper. */
  isUpper: boolean;
  readonly canWrite: boolean;
  /** Of a directory. */
  readonly listing: Listing | undefined;
}

/** What the guest has open. */
export class Handles {
  readonly #layer: Layer;
  readonly #handles = new Map<number, Handle>();
  readonly #budget: HandleBudget;
  #last = 0;

  constructor(layer: Layer, budget: HandleBudget) {
    this.#layer = layer;
    this.#budget = budget;
  }

  /** @param flags of open(2) */
  openFile(live: Live, flags: number): number {
    const access = flags & OpenFlag.accessMode;
    const truncates = (flags & OpenFlag.truncate) !== 0;
    const canWrite = access !== 0 || truncates;
    const kind = this.#layer.nodeOf(live)?.kind ?? this.#layer.statOf(live).kind;
    if (kind === "directory") refuse(Errno.EISDIR);
    if (kind !== "file") refuse(Errno.ENXIO);
    // A file loses its bytes only to who gets it.
    this.checkRoom();
    const handle: Handle = { live, fd: -1, isUpper: false, canWrite, listing: undefined };
    const open = () => this.#open(handle, truncates ? OpenFlag.truncate : 0);
    if (!canWrite || live.upper !== undefined) open();
    else
      this.#layer.index.change(() => {
        this.#layer.copyUp(live, truncates ? "nothing" : "bytes");
        open();
        this.#layer.index.undone(() => closeDescriptor(handle.fd));
      });
    return this.#add(handle);
  }

  /** @throws FileError ENFILE when one more cannot be opened */
  checkRoom(): void {
    this.#budget.take();
    this.#budget.giveBack();
  }

  openDirectory(live: Live): number {
    const kind = this.#layer.nodeOf(live)?.kind ?? this.#layer.statOf(live).kind;
    if (kind !== "directory") refuse(Errno.ENOTDIR);
    return this.#add({ live, fd: -1, isUpper: false, canWrite: false, listing: new Listing() });
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

  isDirectory(number: number): boolean {
    return this.#any(number).listing !== undefined;
  }

  /** What has been opened; undefined for a directory. */
  descriptor(number: number): number | undefined {
    const { fd } = this.#any(number);
    return fd < 0 ? undefined : fd;
  }

  directory(number: number): { readonly live: Live; readonly listing: Listing } {
    const { live, listing } = this.#any(number);
    return listing === undefined ? refuse(Errno.EBADF) : { live, listing };
  }

  release(number: number): { readonly listing: Listing | undefined } {
    const handle = this.#any(number);
    this.#handles.delete(number);
    this.#budget.giveBack();
    if (handle.fd >= 0) closeDescriptor(handle.fd);
    this.#layer.lives.releaseHandle(handle.live);
    return handle;
  }

  close(): void {
    for (const number of [...this.#handles.keys()]) this.release(number);
  }

  #add(handle: Handle): number {
    try {
      this.#budget.take();
    } catch (error) {
      if (handle.fd >= 0) closeDescriptor(handle.fd);
      throw error;
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
    return handle.listing !== undefined ? refuse(Errno.EBADF) : handle;
  }

  #any(number: number): Handle {
    return this.#handles.get(number) ?? refuse(Errno.EBADF);
  }
}
