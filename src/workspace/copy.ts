/** Copies of files' bytes, with their holes, by reflink where the filesystem can. */
import { closeSync, ftruncateSync } from "node:fs";
import { copyRange, OpenFlag, openAt, readAt, seek, writeAt } from "../../ffi/files.ts";
import { shareBytes } from "../../ffi/libc.ts";
import { Errno, must, refuse } from "../files/errno.ts";
import { sha256 } from "./stamp.ts";
import { type Stat, statOf } from "./stat.ts";

/** Bytes up to which a copy is hashed: read whole, so memory; what people edit is smaller. */
const MAX_HASHED = 4 * 1024 * 1024;

const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const CHUNK = 1024 * 1024;

/** Whether a file gets another one's bytes, or is to be empty anyway. */
export type Wanted = "bytes" | "nothing";

export interface Copied {
  /** Of the source when it was copied. */
  readonly stat: Stat;
  readonly hash: string | undefined;
}

/** How often a source that changes under the copy is copied again. */
const TRIES = 3;

/**
 * Fills an empty file with another one's bytes, as they were at one moment, if the source's writers leave one. Where
 * nothing is wanted of them the source is only looked at.
 *
 * @param source open for reading
 * @param target open for reading and writing
 * @throws FileError
 */
export function copyBytes(source: number, target: number, wanted: Wanted = "bytes"): Copied {
  for (let tried = 1; ; tried++) {
    const before = statOf(source);
    const hash = copyOnce(source, target, before.size, wanted);
    const stat = statOf(source);
    const quiet =
      before.size === stat.size && before.modified === stat.modified && before.changed === stat.changed;
    // The stamp of before: what changed during the last copy shows as a change of the host's.
    if (quiet || tried === TRIES) return { stat: before, hash };
  }
}

function copyOnce(source: number, target: number, size: number, wanted: Wanted): string | undefined {
  if (size <= MAX_HASHED) {
    const bytes = readWhole(source, size);
    ftruncateSync(target, 0);
    if (wanted === "bytes") writeWhole(target, bytes, 0);
    return sha256(bytes);
  }
  ftruncateSync(target, 0);
  if (wanted === "nothing") return undefined;
  if (!shareBytes(source, target)) copyData(source, target, size);
  return undefined;
}

function copyData(source: number, target: number, size: number): void {
  ftruncateSync(target, size);
  for (let offset = 0; offset < size; ) {
    const data = seek(source, offset, SEEK_DATA);
    // ENXIO: only a hole is left. Filesystems without such a call have no holes.
    if (data === -Errno.ENXIO) return;
    const start = data < 0 ? offset : data;
    const hole = data < 0 ? size : seek(source, start, SEEK_HOLE);
    const end = hole < 0 ? size : Math.min(hole, size);
    copyPart(source, target, start, end);
    offset = Math.max(end, offset + 1);
  }
}

function copyPart(source: number, target: number, start: number, end: number): void {
  let at = start;
  while (at < end) {
    const done = copyRange(source, at, target, at, end - at);
    if (done <= 0) break;
    at += done;
  }
  const chunk = at < end ? new Uint8Array(Math.min(CHUNK, end - at)) : undefined;
  while (chunk !== undefined && at < end) {
    const length = must(readAt(source, chunk.subarray(0, Math.min(chunk.length, end - at)), at));
    if (length === 0) return;
    writeWhole(target, chunk.subarray(0, length), at);
    at += length;
  }
}

/** The first `size` bytes, or as many as there are. */
export function readWhole(fd: number, size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const more = must(readAt(fd, bytes.subarray(length), length));
    if (more === 0) break;
    length += more;
  }
  return bytes.subarray(0, length);
}

function writeWhole(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    const more = must(writeAt(fd, bytes.subarray(done), offset + done));
    if (more === 0) refuse(Errno.EIO);
    done += more;
  }
}

/** Whether two files have the same bytes. */
export function sameBytes(a: number, b: number): boolean {
  const size = statOf(a).size;
  if (statOf(b).size !== size) return false;
  const [one, other] = [new Uint8Array(Math.min(CHUNK, size)), new Uint8Array(Math.min(CHUNK, size))];
  for (let offset = 0; offset < size; ) {
    const length = must(readAt(a, one, offset));
    if (length === 0) return false;
    if (must(readAt(b, other.subarray(0, length), offset)) !== length) return false;
    if (Buffer.compare(one.subarray(0, length), other.subarray(0, length)) !== 0) return false;
    offset += length;
  }
  return true;
}

/** A file of ours, by its path. @throws FileError */
export const openOwn = (path: string, flags: number, mode = 0o600): number =>
  must(openAt(-100, Buffer.from(path).toString("latin1"), flags | OpenFlag.noFollow, mode));

export function withOwn<T>(path: string, flags: number, work: (fd: number) => T): T {
  const fd = openOwn(path, flags);
  try {
    return work(fd);
  } finally {
    closeSync(fd);
  }
}
