/**
 * Files by descriptor, for who serves a folder to a guest: the calls of Linux that take a directory and one name, by
 * bun:ffi. Node's own follow paths, which another process may swap in between. Linux only, 64 bit.
 *
 * Nothing throws: each function returns what the call returned, or the negative errno. Names and texts are "binary
 * strings": a character for each byte.
 */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi";

const { i32, i64, i64_fast, ptr, u32, u64 } = FFIType;

const arm = process.arch === "arm64";
/** asm/unistd.h: what older C libraries have no function for. */
const SYS = arm
  ? { statx: 291, renameat2: 276, copyFileRange: 285, getdents64: 61 }
  : { statx: 332, renameat2: 316, copyFileRange: 326, getdents64: 217 };

let opened: ReturnType<typeof open> | undefined;

function open() {
  const { symbols } = dlopen("libc.so.6", {
    openat: { args: [i32, ptr, i32, u32], returns: i32 },
    close: { args: [i32], returns: i32 },
    pread: { args: [i32, ptr, u64, i64], returns: i64_fast },
    pwrite: { args: [i32, ptr, u64, i64], returns: i64_fast },
    mkdirat: { args: [i32, ptr, u32], returns: i32 },
    mknodat: { args: [i32, ptr, u32, u64], returns: i32 },
    unlinkat: { args: [i32, ptr, i32], returns: i32 },
    symlinkat: { args: [ptr, i32, ptr], returns: i32 },
    readlinkat: { args: [i32, ptr, ptr, u64], returns: i64_fast },
    linkat: { args: [i32, ptr, i32, ptr, i32], returns: i32 },
    chmod: { args: [ptr, u32], returns: i32 },
    fchownat: { args: [i32, ptr, u32, u32, i32], returns: i32 },
    utimensat: { args: [i32, ptr, ptr, i32], returns: i32 },
    ftruncate: { args: [i32, i64], returns: i32 },
    fsync: { args: [i32], returns: i32 },
    fdatasync: { args: [i32], returns: i32 },
    syncfs: { args: [i32], returns: i32 },
    fallocate: { args: [i32, i32, i64, i64], returns: i32 },
    lseek: { args: [i32, i64, i32], returns: i64_fast },
    fstatfs: { args: [i32, ptr], returns: i32 },
    setxattr: { args: [ptr, ptr, ptr, u64, i32], returns: i32 },
    getxattr: { args: [ptr, ptr, ptr, u64], returns: i64_fast },
    lgetxattr: { args: [ptr, ptr, ptr, u64], returns: i64_fast },
    listxattr: { args: [ptr, ptr, u64], returns: i64_fast },
    removexattr: { args: [ptr, ptr], returns: i32 },
    __errno_location: { args: [], returns: ptr },
  });
  // One function of C with any number of arguments: each of its uses has a type of its own.
  const generic = (args: readonly FFIType[]) =>
    dlopen("libc.so.6", { syscall: { args: [i64, ...args], returns: i64_fast } }).symbols.syscall;
  const statx = generic([i32, ptr, i32, u32, ptr]);
  const renameat2 = generic([i32, ptr, i32, ptr, u32]);
  const getdents64 = generic([i32, ptr, u32]);
  const copyFileRange = generic([i32, ptr, i32, ptr, u64, u32]);
  return { ...symbols, statx, renameat2, getdents64, copyFileRange };
}

function libc() {
  opened ??= open();
  return opened;
}

function result(value: number | bigint): number {
  const number = Number(value);
  return number === -1 ? -read.i32(libc().__errno_location() as Pointer, 0) : number;
}

/** Room for one NUL-terminated text each, so that a call makes no garbage. */
const texts = [Buffer.alloc(4200), Buffer.alloc(4200)] as const;
const empty = Buffer.from("\0");
const AT_FDCWD = -100;
const AT_SYMLINK_FOLLOW = 0x400;
const AT_EMPTY_PATH = 0x1000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;

/** @param text without NUL, at most 4199 bytes: callers check that */
function cstring(text: string, room: 0 | 1 = 0): Buffer {
  const buffer = texts[room];
  buffer[buffer.write(text, 0, buffer.length - 1, "latin1")] = 0;
  return buffer;
}

/** The magic link of a descriptor: opens what the descriptor names, and nothing else, whoever renames what. */
const linkOf = (fd: number, room: 0 | 1 = 0): Buffer => cstring(`/proc/self/fd/${fd}`, room);

/** asm/fcntl.h; some differ by architecture. */
export const OpenFlag = {
  write: 1,
  readWrite: 2,
  accessMode: 3,
  create: 0o100,
  exclusive: 0o200,
  noTerminal: 0o400,
  truncate: 0o1000,
  append: 0o2000,
  nonBlocking: 0o4000,
  directory: arm ? 0o40000 : 0o200000,
  noFollow: arm ? 0o100000 : 0o400000,
  closeOnExec: 0o2000000,
  pathOnly: 0o10000000,
} as const;

/** One file by its name in an open directory. */
export function openAt(directory: number, name: string, flags: number, mode = 0): number {
  return result(libc().openat(directory, cstring(name), flags | OpenFlag.closeOnExec, mode));
}

/** Opens what a descriptor names once more, with other rights than the descriptor has. */
export function reopen(fd: number, flags: number): number {
  return result(libc().openat(AT_FDCWD, linkOf(fd), flags | OpenFlag.closeOnExec, 0));
}

export const closeDescriptor = (fd: number): number => result(libc().close(fd));

/** @param offset bytes, at most 2^53 */
export const readAt = (fd: number, into: Uint8Array, offset: number): number =>
  into.length === 0 ? 0 : result(libc().pread(fd, into, into.length, offset));

export const writeAt = (fd: number, bytes: Uint8Array, offset: number): number =>
  bytes.length === 0 ? 0 : result(libc().pwrite(fd, bytes, bytes.length, offset));

export const makeDirectoryAt = (directory: number, name: string, mode: number): number =>
  result(libc().mkdirat(directory, cstring(name), mode));

/** @param mode with the type; a device has number 0 */
export const makeNodeAt = (directory: number, name: string, mode: number): number =>
  result(libc().mknodat(directory, cstring(name), mode, 0));

export const unlinkAt = (directory: number, name: string, isDirectory: boolean): number =>
  result(libc().unlinkat(directory, cstring(name), isDirectory ? AT_REMOVEDIR : 0));

export const symlinkAt = (target: string, directory: number, name: string): number =>
  result(libc().symlinkat(cstring(target), directory, cstring(name, 1)));

/** Where a link leads: of a descriptor that names the link itself. */
export const readLink = (fd: number, into: Uint8Array): number =>
  result(libc().readlinkat(fd, empty, into, into.length));

/** Gives what a descriptor names one more name. */
export const linkTo = (fd: number, directory: number, name: string): number =>
  result(libc().linkat(AT_FDCWD, linkOf(fd), directory, cstring(name, 1), AT_SYMLINK_FOLLOW));

/** @param flags RENAME_NOREPLACE 1, RENAME_EXCHANGE 2, RENAME_WHITEOUT 4 (renameat2(2)) */
export const renameAt = (from: number, name: string, to: number, newName: string, flags: number): number =>
  result(libc().renameat2(SYS.renameat2, from, cstring(name), to, cstring(newName, 1), flags) as number);

export const changeMode = (fd: number, mode: number): number => result(libc().chmod(linkOf(fd), mode));

/** -1 leaves an id as it is. */
export const changeOwner = (fd: number, uid: number, gid: number): number =>
  result(libc().fchownat(fd, empty, uid >>> 0, gid >>> 0, AT_EMPTY_PATH));

/** @param times of the last access and the last change (`timespecs` of file-layouts.ts) */
export function changeTimes(fd: number, times: BigInt64Array): number {
  const done = result(libc().utimensat(fd, empty, times, AT_EMPTY_PATH));
  // Kernels before 5.8 know the empty path here only for what is no link.
  return done === -22 ? result(libc().utimensat(AT_FDCWD, linkOf(fd), times, 0)) : done;
}

/** Of an open file, or of one that a descriptor only names. */
export function changeSize(fd: number, size: number, isOpen: boolean): number {
  if (isOpen) return result(libc().ftruncate(fd, size));
  // Opened first: truncate(2) is by name, and the server of files may not use it (src/confine/).
  const file = reopen(fd, OpenFlag.write | OpenFlag.nonBlocking | OpenFlag.noTerminal);
  if (file < 0) return file;
  const done = result(libc().ftruncate(file, size));
  closeDescriptor(file);
  return done;
}

export const syncFile = (fd: number, dataOnly: boolean): number =>
  result(dataOnly ? libc().fdatasync(fd) : libc().fsync(fd));

/** Everything that the filesystem of an open file has not written yet. */
export const syncFilesystem = (fd: number): number => result(libc().syncfs(fd));

export const allocateSpace = (fd: number, mode: number, offset: number, length: number): number =>
  result(libc().fallocate(fd, mode, offset, length));

export const seek = (fd: number, offset: number | bigint, whence: number): number =>
  result(libc().lseek(fd, offset, whence));

const offsets = [new BigInt64Array(1), new BigInt64Array(1)] as const;

export function copyRange(from: number, start: number, to: number, target: number, length: number): number {
  offsets[0][0] = BigInt(start);
  offsets[1][0] = BigInt(target);
  return result(
    libc().copyFileRange(SYS.copyFileRange, from, offsets[0], to, offsets[1], length, 0) as number,
  );
}

/** Entries of an open directory as getdents64(2) writes them; 0 at the end. */
export const readEntries = (fd: number, into: Uint8Array): number =>
  result(libc().getdents64(SYS.getdents64, fd, into, into.length) as number);

export const statFilesystem = (fd: number, into: Uint8Array): number => result(libc().fstatfs(fd, into));

/** Basic figures and the time of birth (linux/stat.h, STATX_BASIC_STATS | STATX_BTIME). */
const STATX_MASK = 0xfff;

/** `struct statx` of what a descriptor names, or of a name in a directory (no link is followed). */
export const statAt = (fd: number, name: string | undefined, into: Uint8Array): number =>
  result(
    libc().statx(
      SYS.statx,
      fd,
      name === undefined ? empty : cstring(name),
      name === undefined ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW,
      STATX_MASK,
      into,
    ) as number,
  );

/** @param flags XATTR_CREATE 1, XATTR_REPLACE 2 */
export const setAttribute = (fd: number, name: string, value: Uint8Array, flags: number): number =>
  result(
    libc().setxattr(linkOf(fd), cstring(name, 1), value.length === 0 ? empty : value, value.length, flags),
  );

/** The value's length; with an empty `into` only that. */
export const getAttribute = (fd: number, name: string, into: Uint8Array): number =>
  result(libc().getxattr(linkOf(fd), cstring(name, 1), into.length === 0 ? null : into, into.length));

export const listAttributes = (fd: number, into: Uint8Array): number =>
  result(libc().listxattr(linkOf(fd), into.length === 0 ? null : into, into.length));

export const removeAttribute = (fd: number, name: string): number =>
  result(libc().removexattr(linkOf(fd), cstring(name, 1)));

/** The same of a name in a directory; no link is followed. */
export const getAttributeAt = (directory: number, fileName: string, name: string, into: Uint8Array): number =>
  result(
    libc().lgetxattr(
      cstring(`/proc/self/fd/${directory}/${fileName}`),
      cstring(name, 1),
      into.length === 0 ? null : into,
      into.length,
    ),
  );
