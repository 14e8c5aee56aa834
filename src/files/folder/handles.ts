import { closeDescriptor } from "../../../ffi/files.ts";
import { Errno, refuse } from "../errno.ts";
import type { Inode } from "./inodes.ts";

/** A file or directory that the guest has open. */
export interface Handle {
  readonly fd: number;
  readonly inode: Inode;
  readonly isDirectory: boolean;
  /** What is written lands at its end (O_APPEND). */
  readonly appends?: boolean | undefined;
  /** It was opened to be written to. */
  readonly writes?: boolean | undefined;
  /** Of a directory: its device. */
  readonly device?: bigint | undefined;
  /** Of a directory: where its descriptor is. */
  next: bigint;
}

/** What a handle is made of. */
export type Opened = Omit<Handle, "next">;

/** How many files the guests of this process may have open, in all volumes. */
export class HandleBudget {
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  /** @throws FileError ENFILE */
  take(): void {
    if (this.#left === 0) refuse(Errno.ENFILE);
    this.#left--;
  }

  giveBack(): void {
    this.#left++;
  }
}

/** Open files of one volume, by the numbers that the guest has. */
export class Handles {
  readonly #budget: HandleBudget;
  readonly #open = new Map<number, Handle>();
  #last = 0;

  constructor(budget: HandleBudget) {
    this.#budget = budget;
  }

  /** @param open opens it, or throws: then nothing is taken */
  add<T extends Opened>(open: () => T): { number: number; opened: T } {
    this.#budget.take();
    try {
      const opened = open();
      const { fd, inode, isDirectory, appends, writes, device } = opened;
      this.#open.set(++this.#last, { fd, inode, isDirectory, appends, writes, device, next: 0n });
      return { number: this.#last, opened };
    } catch (error) {
      this.#budget.giveBack();
      throw error;
    }
  }

  /** @throws FileError EBADF for a number that the guest has not, or that is of the other kind */
  get(number: number, isDirectory: boolean): Handle {
    const handle = this.any(number);
    return handle.isDirectory === isDirectory ? handle : refuse(Errno.EBADF);
  }

  any(number: number): Handle {
    return this.#open.get(number) ?? refuse(Errno.EBADF);
  }

  /** Forgets and closes it. */
  release(number: number): Handle {
    const handle = this.any(number);
    this.#open.delete(number);
    closeDescriptor(handle.fd);
    this.#budget.giveBack();
    return handle;
  }

  close(): void {
    for (const number of [...this.#open.keys()]) this.release(number);
  }
}
