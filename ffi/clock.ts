/** The one clock that neither Bun nor node:* reads: it goes on while the host sleeps, and nobody can set it. */
import { dlopen, FFIType } from "bun:ffi";

const { i32, ptr } = FFIType;

const darwin = process.platform === "darwin";

/** CLOCK_BOOTTIME of Linux; CLOCK_MONOTONIC of macOS, which counts sleep there. */
const CLOCK = darwin ? 6 : 7;

/** `struct timespec` of 64-bit systems: seconds, nanoseconds. */
const time = new BigInt64Array(2);

let opened: ReturnType<typeof open> | undefined;

function open() {
  return dlopen(darwin ? "libSystem.B.dylib" : "libc.so.6", {
    clock_gettime: { args: [i32, ptr], returns: i32 },
  }).symbols;
}

/** Milliseconds since the host's boot, with those for which it slept (clock_gettime(2)). */
export function msSinceBoot(): number {
  opened ??= open();
  if (opened.clock_gettime(CLOCK, time) !== 0) throw new Error("clock_gettime: the clock does not exist");
  return Number(time[0]) * 1000 + Number(time[1]) / 1_000_000;
}
