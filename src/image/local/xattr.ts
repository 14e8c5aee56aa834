import { dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi";
import { limits } from "../limits.ts";
import type { Xattr } from "../tree/index.ts";
import { unreadable } from "./unreadable.ts";

const { u64, i64_fast } = FFIType;

let opened: ReturnType<typeof open> | undefined;

function open() {
  return dlopen("libc.so.6", {
    llistxattr: { args: [FFIType.ptr, FFIType.ptr, u64], returns: i64_fast },
    lgetxattr: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr, u64], returns: i64_fast },
    __errno_location: { args: [], returns: FFIType.ptr },
  }).symbols;
}

/** ENODATA, ENOTSUP: nothing there, or a filesystem without attributes. */
const nothing = new Set([61, 95]);

const names = Buffer.alloc(limits.xattrBytes);
const value = Buffer.alloc(limits.xattrBytes);
const none: readonly Xattr[] = [];

/**
 * The extended attributes of a file that is not followed if it is a link (llistxattr(2), lgetxattr(2)), sorted by
 * name. Those of the `trusted` namespace are only visible to root. Linux only: elsewhere there are none.
 *
 * @param path bytes, without a NUL.
 */
export function readXattrs(path: Buffer): readonly Xattr[] {
  if (process.platform !== "linux") return none;
  opened ??= open();
  const terminated = Buffer.concat([path, Buffer.alloc(1)]);
  const length = Number(opened.llistxattr(ptr(terminated), ptr(names), BigInt(names.length)));
  if (length === 0 || (length < 0 && nothing.has(errno()))) return none;
  if (length < 0) throw failed(path);
  const found: Xattr[] = [];
  for (const name of names
    .toString("latin1", 0, length - 1)
    .split("\0")
    .sort()) {
    const key = Buffer.from(`${name}\0`, "latin1");
    const size = Number(opened.lgetxattr(ptr(terminated), ptr(key), ptr(value), BigInt(value.length)));
    if (size < 0 && nothing.has(errno())) continue;
    if (size < 0) throw failed(path);
    found.push({ name, value: Buffer.from(value.subarray(0, size)) });
  }
  return found;
}

function errno(): number {
  return opened === undefined ? 0 : read.i32(opened.__errno_location() as Pointer, 0);
}

function failed(path: Buffer): Error {
  const number = errno();
  const code = number === 13 || number === 1 ? "EACCES" : `errno ${number}`;
  return unreadable(path.toString(), Object.assign(new Error(`extended attributes: ${code}`), { code }));
}
