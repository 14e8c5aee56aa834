/** What is in an open file. Each function may throw FileError. */
import {
  allocateSpace,
  closeDescriptor,
  copyRange as copyFileRange,
  OpenFlag,
  readAt,
  reopen,
  seek as seekIn,
  syncFile,
  writeAt,
} from "../../../ffi/files.ts";
import { must } from "../errno.ts";
import type { Access } from "./access.ts";

/** Reads until `into` is full or the file is over. */
export function read(fd: number, into: Uint8Array, offset: number): number {
  let done = 0;
  while (done < into.length) {
    const got = must(readAt(fd, into.subarray(done), offset + done));
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** Writes as much as there is room for; less than all of it only when some has been written. */
export function write(fd: number, bytes: Uint8Array, offset: number): number {
  let done = 0;
  while (done < bytes.length) {
    const written = writeAt(fd, bytes.subarray(done), offset + done);
    if (written < 0 && done > 0) break;
    done += must(written);
  }
  return done;
}

/** Of a file that was opened to append, for which pwrite(2) ignores the offset: a page belongs where it is. */
export function writePage(access: Access, fd: number, bytes: Uint8Array, offset: number): number {
  const plain = must(access.onFile(fd, () => reopen(fd, OpenFlag.write)));
  try {
    return write(plain, bytes, offset);
  } finally {
    closeDescriptor(plain);
  }
}

export function sync(fd: number, dataOnly: boolean): void {
  must(syncFile(fd, dataOnly));
}

export function allocate(fd: number, mode: number, offset: number, length: number): void {
  must(allocateSpace(fd, mode, offset, length));
}

export const seek = (fd: number, offset: number, whence: number): number => must(seekIn(fd, offset, whence));

export const copyRange = (from: number, start: number, to: number, target: number, length: number): number =>
  must(copyFileRange(from, start, to, target, length));
