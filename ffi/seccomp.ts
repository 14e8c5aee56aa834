/** Filters of system calls for this process (seccomp(2), Linux only). */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { refuseNewPrivileges } from "./libc.ts";

const { i64, u64 } = FFIType;

const SYS_seccomp = process.arch === "arm64" ? 277 : 317;
const SECCOMP_SET_MODE_FILTER = 1;
/** The filter holds for all threads, or for none. */
const SECCOMP_FILTER_FLAG_TSYNC = 1;

/**
 * Installs a filter for this process and whatever it starts; it stays until they end.
 *
 * @param instructions of struct sock_filter, 8 bytes each
 * @throws Error when the kernel refuses it
 */
export function installFilter(instructions: Uint8Array): void {
  refuseNewPrivileges();
  const { symbols } = dlopen("libc.so.6", { syscall: { args: [i64, u64, u64, u64], returns: i64 } });
  // struct sock_fprog: how many, and where; the kernel copies them.
  const program = new BigUint64Array([BigInt(instructions.length / 8), BigInt(ptr(instructions))]);
  const done = symbols.syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ptr(program));
  if (done !== 0n) throw new Error(`seccomp: the kernel answered ${done}`);
}
