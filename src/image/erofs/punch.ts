import { dlopen, FFIType } from "bun:ffi";

const FALLOC_FL_KEEP_SIZE = 1;
const FALLOC_FL_PUNCH_HOLE = 2;

let fallocate: ((fd: number, mode: number, offset: bigint, length: bigint) => number) | undefined;

/**
 * Makes part of a file a hole that reads as zeros and takes no space (fallocate(2), Linux).
 *
 * @returns false where the system or the filesystem cannot.
 */
export function punchHole(fd: number, offset: number, length: number): boolean {
  if (process.platform !== "linux") return false;
  fallocate ??= dlopen("libc.so.6", {
    fallocate: { args: [FFIType.i32, FFIType.i32, FFIType.i64, FFIType.i64], returns: FFIType.i32 },
  }).symbols.fallocate;
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, BigInt(offset), BigInt(length)) === 0;
}
