/** What the KVM probe needs of the operating system beside node:fs: ioctl(2) and mmap(2). Linux, 64 bit. */
import { dlopen, FFIType, type Pointer, read, toArrayBuffer } from "bun:ffi";

const { i32, i64, ptr, u64 } = FFIType;

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;

/** An ioctl by its name and number. */
export type IoctlRequest = readonly [name: string, request: number];

/** Opens libc once more with these symbols, so that nobody else pays for them. */
export function openSystemCalls() {
  const libc = dlopen("libc.so.6", {
    // ioctl takes either a number or a pointer as its third argument.
    ioctl: { args: [i32, u64, u64], returns: i32 },
    mmap: { args: [u64, u64, i32, i32, i32, i64], returns: ptr },
    __errno_location: { args: [], returns: ptr },
  }).symbols;
  const errno = () => read.i32(libc.__errno_location() as Pointer, 0);

  return {
    /** @throws Error that names the request, with `errno`, when the call fails */
    ioctl(fd: number, [name, request]: IoctlRequest, argument: number): number {
      const result = libc.ioctl(fd, BigInt(request), BigInt(argument));
      if (result < 0) throw systemError(name, errno());
      return result;
    },
    /** Maps `length` bytes of the file, or fresh zeroed memory without one; never unmapped. */
    map(length: number, fd = -1): { address: number; memory: DataView } {
      const flags = fd === -1 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
      const address = libc.mmap(0n, BigInt(length), PROT_READ_WRITE, flags, fd, 0n);
      if (address === null || Number(address) === -1) throw systemError("mmap", errno());
      return { address: Number(address), memory: new DataView(toArrayBuffer(address, 0, length)) };
    },
  };
}

function systemError(syscall: string, errno: number): Error {
  return Object.assign(new Error(`${syscall}: errno ${errno}`), { errno, syscall });
}
