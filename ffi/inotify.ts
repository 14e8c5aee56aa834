/**
 * inotify(7), which tells what changes in directories, by bun:ffi. Node's `fs.watch` hides which directory an event is
 * of, and cannot be read at a moment of one's choice. Linux only, 64 bit, little endian.
 *
 * Nothing throws: each function returns what the call returned, or the negative errno.
 */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi";

const { i32, i64_fast, ptr, u32, u64 } = FFIType;

const open = () =>
  dlopen("libc.so.6", {
    inotify_init1: { args: [i32], returns: i32 },
    inotify_add_watch: { args: [i32, ptr, u32], returns: i32 },
    inotify_rm_watch: { args: [i32, i32], returns: i32 },
    read: { args: [i32, ptr, u64], returns: i64_fast },
    __errno_location: { args: [], returns: ptr },
  }).symbols;

let opened: ReturnType<typeof open> | undefined;

function libc() {
  opened ??= open();
  return opened;
}

function result(value: number | bigint): number {
  const number = Number(value);
  return number === -1 ? -read.i32(libc().__errno_location() as Pointer, 0) : number;
}

/** sys/inotify.h. */
export const Watch = {
  modified: 0x2,
  written: 0x8,
  movedFrom: 0x40,
  movedTo: 0x80,
  created: 0x100,
  deleted: 0x200,
  /** The kernel's queue was full: events are missing. */
  overflow: 0x4000,
  /** The watch is gone, with what it watched or by `unwatch`. */
  ended: 0x8000,
  noFollow: 0x2000000,
  isDirectory: 0x40000000,
} as const;

const NON_BLOCKING_CLOSE_ON_EXEC = 0o4000 | 0o2000000;

/** A queue of events, whose reading does not wait. */
export const openWatches = (): number => result(libc().inotify_init1(NON_BLOCKING_CLOSE_ON_EXEC));

/**
 * Watches what a descriptor names, or a name in that directory.
 *
 * @param name "binary string" (files.ts), without NUL
 * @param mask of `Watch`
 * @returns the watch's number: the same again for a file that is watched already
 */
export function watchFile(queue: number, fd: number, name: string | undefined, mask: number): number {
  const path = `/proc/self/fd/${fd}${name === undefined ? "" : `/${name}`}\0`;
  return result(libc().inotify_add_watch(queue, Buffer.from(path, "latin1"), mask));
}

export const unwatch = (queue: number, watch: number): number =>
  result(libc().inotify_rm_watch(queue, watch));

/** Takes whole events out of the queue; -11 (EAGAIN) when there are none. */
export const readWatches = (queue: number, into: Uint8Array): number =>
  result(libc().read(queue, into, into.length));

export interface WatchEvent {
  readonly watch: number;
  readonly mask: number;
  /** "Binary string"; empty for what is watched itself. */
  readonly name: string;
}

/** `struct inotify_event`, without its name. */
const HEAD = 16;

export function* watchEventsIn(bytes: Uint8Array): Generator<WatchEvent, void, void> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEAD <= buffer.length; ) {
    const next = at + HEAD + buffer.readUInt32LE(at + 12);
    // The name is filled up with NULs.
    const end = buffer.indexOf(0, at + HEAD);
    const name = buffer.toString("latin1", at + HEAD, end < 0 || end > next ? next : end);
    yield { watch: buffer.readInt32LE(at), mask: buffer.readUInt32LE(at + 4), name };
    at = next;
  }
}
