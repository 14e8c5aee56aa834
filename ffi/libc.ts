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
    lseek: { args: [i32, FFIType.i64, i32], returns: FFIType.i64_fast },
    linkat: { args: [i32, ptr, i32, ptr, i32], returns: i32 },
    futimens: { args: [i32, ptr], returns: i32 },
    utimensat: { args: [i32, ptr, ptr, i32], returns: i32 },
    pipe: { args: [ptr], returns: i32 },
    setrlimit: { args: [i32, ptr], returns: i32 },
    ioctl: { args: [i32, u64, i32], returns: i32 },
    syscall: { args: [FFIType.i64, ptr, u64, u64], returns: FFIType.i64_fast },
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
  27: "EFBIG",
  28: "ENOSPC",
  38: "ENOSYS",
  95: "EOPNOTSUPP",
  122: "EDQUOT",
};

/** Throws for -1, with errno read at once, before another call can change it. */
function check(result: number, syscall: string): number {
  if (result !== -1) return result;
  const errno = read.i32(libc().__errno_location() as Pointer, 0);
  const code = errnoNames[errno] ?? `errno ${errno}`;
  throw Object.assign(new Error(`${syscall}: ${code}`), { code, errno, syscall });
}

const cstring = (text: string | Uint8Array) =>
  Buffer.concat([typeof text === "string" ? Buffer.from(text) : text, Buffer.alloc(1)]);

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

const AT_FDCWD = process.platform === "darwin" ? -2 : -100;
const AT_SYMLINK_FOLLOW = 0x400;

/** Gives an unnamed file (opened with O_TMPFILE) a name; fails with EEXIST when the name is taken (Linux, linkat(2)). */
export function linkDescriptor(fd: number, path: string | Uint8Array): void {
  check(
    libc().linkat(AT_FDCWD, cstring(`/proc/self/fd/${fd}`), AT_FDCWD, cstring(path), AT_SYMLINK_FOLLOW),
    "linkat",
  );
}

const AT_SYMLINK_NOFOLLOW = process.platform === "darwin" ? 0x20 : 0x100;
const UTIME_OMIT = process.platform === "darwin" ? -2n : (1n << 30n) - 2n;

/** Two `struct timespec` of 64-bit systems: of the last access, which is left as it is, and of the last change. */
const times = new BigInt64Array([0n, UTIME_OMIT, 0n, 0n]);

function changedAt(seconds: bigint, nanoseconds: number): BigInt64Array {
  times[2] = seconds;
  times[3] = BigInt(nanoseconds);
  return times;
}

/** Sets when an open file was changed last, to the nanosecond: what node:fs has is a double (futimens(2)). */
export function setFileTime(fd: number, seconds: bigint, nanoseconds: number): void {
  check(libc().futimens(fd, changedAt(seconds, nanoseconds)), "futimens");
}

/** The same of a name, without following a link (utimensat(2)). */
export function setLinkTime(path: Uint8Array, seconds: bigint, nanoseconds: number): void {
  const changed = changedAt(seconds, nanoseconds);
  check(libc().utimensat(AT_FDCWD, cstring(path), changed, AT_SYMLINK_NOFOLLOW), "utimensat");
}

const SEEK = process.platform === "darwin" ? { data: 4, hole: 3 } : { data: 3, hole: 4 };

/** The next byte at or after `offset` that is data, or a hole (lseek(2)); undefined when there is none. */
export function seekSparse(fd: number, offset: number, kind: "data" | "hole"): number | undefined {
  try {
    return check(Number(libc().lseek(fd, offset, SEEK[kind])), "lseek");
  } catch (error) {
    if ((error as { errno?: number }).errno === 6) return undefined; // ENXIO: nothing up to the end of the file
    throw error;
  }
}

/** _IOW(0x94, 9, int), linux/fs.h. */
const FICLONE = 0x40049409n;

/**
 * Lets a file have the bytes of another without copying them: both share them until one changes (ioctl_ficlone(2)).
 * What the target had is gone; its size becomes the source's.
 *
 * @param source open for reading; on the target's filesystem
 * @param target open for writing
 * @returns false where filesystem or system cannot do that; nothing has happened then.
 */
export function shareBytes(source: number, target: number): boolean {
  if (process.platform !== "linux") return false;
  try {
    check(libc().ioctl(target, FICLONE, source), "ioctl");
    return true;
  } catch (error) {
    if (CANNOT_SHARE.has((error as { code?: string }).code ?? "")) return false;
    throw error;
  }
}

/** What filesystems without reflinks answer, and those that cannot do it with just these two files. */
const CANNOT_SHARE = new Set(["EOPNOTSUPP", "EXDEV", "EINVAL", "ENOTTY", "ENOSYS", "EPERM"]);

/**
 * Makes a pipe (pipe(2)); what Bun calls a pipe is a socket pair, which cannot be opened by its /proc path.
 * Both ends close on exec; handing one to Bun.spawn as stdin, stdout or stderr clears that in the child.
 */
export function makePipe(): { readEnd: number; writeEnd: number } {
  const [readEnd = -1, writeEnd = -1] = makeDescriptorPair();
  setCloseOnExec(readEnd, true);
  setCloseOnExec(writeEnd, true);
  return { readEnd, writeEnd };
}

function makeDescriptorPair(): Int32Array {
  const pair = new Int32Array(2);
  check(libc().pipe(pair), "pipe");
  return pair;
}

/** The same number on all architectures of Linux. */
const SYS_landlock_create_ruleset = 444;
const LANDLOCK_CREATE_RULESET_VERSION = 1n;

/** Version of Landlock's interface, from 1; 0 where the kernel has none (Linux only, landlock_create_ruleset(2)). */
export function landlockVersion(): number {
  const version = libc().syscall(SYS_landlock_create_ruleset, null, 0n, LANDLOCK_CREATE_RULESET_VERSION);
  return Math.max(0, Number(version));
}

const PR_SET_NO_NEW_PRIVS = 38;

/** From here on no exec gains privileges: setuid bits and file capabilities are ignored (Linux only, prctl(2)). */
export function refuseNewPrivileges(): void {
  check(libc().prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n), "prctl");
}

/** RLIMIT_*: this one has the same number on Linux and macOS. */
const RESOURCE = { core: 4 };

/** Sets the soft and the hard limit of a resource of this process and its children (setrlimit(2)). */
export function setResourceLimit(resource: keyof typeof RESOURCE, limit: number): void {
  check(
    libc().setrlimit(RESOURCE[resource], new BigUint64Array([BigInt(limit), BigInt(limit)])),
    "setrlimit",
  );
}
