/**
 * The few system calls that neither Bun nor node:* offers, by bun:ffi. Linux and macOS names are the same unless noted.
 * Every wrapper turns -1 into an Error that carries `code` (the errno name) and `syscall`, like Node's own errors.
 */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi";

const { i32, u64, ptr } = FFIType;

const library = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";

/** Opened once, on first use: loading bun:ffi's symbols costs about a millisecond. */
let opened: ReturnType<typeof open> | undefined;

function open() {
  return dlopen(library, {
    flock: { args: [i32, i32], returns: i32 },
    prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
    fcntl: { args: [i32, i32, i32], returns: i32 },
    linkat: { args: [i32, ptr, i32, ptr, i32], returns: i32 },
    __errno_location: { args: [], returns: ptr },
  }).symbols;
}

function libc() {
  opened ??= open();
  return opened;
}

const errnoNames: Record<number, string> = {
  1: "EPERM",
  2: "ENOENT",
  4: "EINTR",
  9: "EBADF",
  11: "EAGAIN",
  13: "EACCES",
  17: "EEXIST",
  18: "EXDEV",
  22: "EINVAL",
  25: "ENOTTY",
  28: "ENOSPC",
  38: "ENOSYS",
  95: "EOPNOTSUPP",
};

/** Throws for -1, with errno read at once, before another call can change it. */
function check(result: number, syscall: string): number {
  if (result !== -1) return result;
  const errno = read.i32(libc().__errno_location() as Pointer, 0);
  const code = errnoNames[errno] ?? `errno ${errno}`;
  throw Object.assign(new Error(`${syscall}: ${code}`), { code, errno, syscall });
}

const cstring = (text: string) => Buffer.from(`${text}\0`);

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Locks an open file (flock(2)); the lock goes away when the last descriptor of this open file is closed,
 * also by kill -9, and is inherited by children that keep the descriptor.
 *
 * @returns false when `wait` is false and another process holds the lock.
 */
export function flock(fd: number, mode: "shared" | "exclusive", wait = true): boolean {
  const operation = (mode === "shared" ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB);
  for (;;) {
    try {
      check(libc().flock(fd, operation), "flock");
      return true;
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === "EINTR") continue;
      if (code === "EAGAIN") return false;
      throw error;
    }
  }
}

const PR_SET_PDEATHSIG = 1;

/** Has the kernel send this process `signal` when the thread that started it ends (Linux only, prctl(2)). */
export function setParentDeathSignal(signal: number): void {
  check(libc().prctl(PR_SET_PDEATHSIG, BigInt(signal), 0n, 0n, 0n), "prctl");
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Decides whether a descriptor survives exec; Bun marks all it did not make itself as closing (fcntl(2)). */
export function setCloseOnExec(fd: number, close: boolean): void {
  check(libc().fcntl(fd, F_SETFD, close ? FD_CLOEXEC : 0), "fcntl");
}

const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;

/** Gives an unnamed file (opened with O_TMPFILE) a name; fails with EEXIST when the name is taken (Linux, linkat(2)). */
export function linkDescriptor(fd: number, path: string): void {
  check(
    libc().linkat(AT_FDCWD, cstring(`/proc/self/fd/${fd}`), AT_FDCWD, cstring(path), AT_SYMLINK_FOLLOW),
    "linkat",
  );
}
