/** Reading from sockets of the runtime's by bun:ffi, into memory that is there already. */
import { dlopen, FFIType } from "bun:ffi";

const { i32, ptr, u64_fast, i64_fast } = FFIType;

const isDarwin = process.platform === "darwin";

const open = () =>
  dlopen(isDarwin ? "libSystem.B.dylib" : "libc.so.6", {
    recv: { args: [i32, ptr, u64_fast, i32], returns: i64_fast },
  }).symbols;

let opened: ReturnType<typeof open> | undefined;

const MSG_DONTWAIT = isDarwin ? 0x80 : 0x40;

/**
 * Takes what has come on a socket, without waiting (recv(2)).
 *
 * @returns how many bytes; 0 or less: none now, the end, or an error. The runtime, whose socket it is, meets the same at
 *   its own next read and says so
 */
export function receiveNow(fd: number, target: Uint8Array): number {
  opened ??= open();
  return Number(opened.recv(fd, target, target.length, MSG_DONTWAIT));
}
