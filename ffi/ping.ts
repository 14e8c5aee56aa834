/**
 * "Ping sockets" by bun:ffi: ICMP echoes without privileges (Linux, icmp(7)), for whom `net.ipv4.ping_group_range` lets.
 * Each read is one message; the kernel chooses the identifier, and lets only answers to it in.
 */
import { dlopen, FFIType, type Pointer, read } from "bun:ffi";

const { i32, ptr } = FFIType;

const open = () =>
  dlopen("libc.so.6", {
    socket: { args: [i32, i32, i32], returns: i32 },
    connect: { args: [i32, ptr, i32], returns: i32 },
    close: { args: [i32], returns: i32 },
    __errno_location: { args: [], returns: ptr },
  }).symbols;

let opened: ReturnType<typeof open> | undefined;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4000 | 0o2000000;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;

const names: Record<number, string> = { 1: "EPERM", 13: "EACCES", 101: "ENETUNREACH", 113: "EHOSTUNREACH" };

/**
 * A socket for echoes to one address, non-blocking.
 *
 * @param address 4 or 16 bytes
 * @throws an error with the code of socket(2) or connect(2); `EACCES` or `EPERM`: the host does not allow it
 */
export function openPingSocket(address: Uint8Array): number {
  if (process.platform !== "linux") throw failure("socket", "EPERM");
  opened ??= open();
  const libc = opened;
  const errno = () => {
    const number = read.i32(libc.__errno_location() as Pointer, 0);
    return names[number] ?? `errno ${number}`;
  };
  const v6 = address.length === 16;
  const fd = libc.socket(
    v6 ? AF_INET6 : AF_INET,
    SOCK_DGRAM_NONBLOCK_CLOEXEC,
    v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
  );
  if (fd < 0) throw failure("socket", errno());
  // sockaddr_in and sockaddr_in6: the family in the host's order, which is little endian wherever we run.
  const name = new Uint8Array(v6 ? 28 : 16);
  name[0] = v6 ? AF_INET6 : AF_INET;
  name.set(address, v6 ? 8 : 4);
  if (libc.connect(fd, name, name.length) === 0) return fd;
  const code = errno();
  libc.close(fd);
  throw failure("connect", code);
}

function failure(syscall: string, code: string): Error {
  return Object.assign(new Error(`${syscall}: ${code}`), { code, syscall });
}
