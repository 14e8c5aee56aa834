/** Unix sockets as carriers of descriptors (Linux only): neither Bun nor node:* has these calls. */
import { dlopen, FFIType, ptr } from "bun:ffi";

const { i32, u64 } = FFIType;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_NOSIGNAL = 0x4000;
const POLLOUT = 4;

/** Bytes of struct cmsghdr on 64-bit systems; what it carries is behind it. */
const CONTROL_HEADER = 16;

let opened: ReturnType<typeof open> | undefined;

function open() {
  return dlopen("libc.so.6", {
    socketpair: { args: [i32, i32, i32, FFIType.ptr], returns: i32 },
    sendmsg: { args: [i32, FFIType.ptr, i32], returns: FFIType.i64_fast },
    poll: { args: [FFIType.ptr, u64, i32], returns: i32 },
  }).symbols;
}

function libc() {
  opened ??= open();
  return opened;
}

/** Two ends of a connection; both close on exec, and wait for nothing (socketpair(2)). */
export function makeSocketPair(): [number, number] {
  const pair = new Int32Array(2);
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  if (libc().socketpair(AF_UNIX, type, 0, pair) !== 0) throw new Error("socketpair: no descriptors left");
  return [pair[0] ?? -1, pair[1] ?? -1];
}

/**
 * Sends bytes over a connected socket, and with the first of them copies of descriptors (unix(7)). Waits for room.
 *
 * @throws Error when the other side is gone
 */
export function sendWithDescriptors(
  socket: number,
  bytes: Uint8Array,
  descriptors: readonly number[] = [],
): void {
  const control = controlOf(descriptors);
  for (let sent = 0; sent < bytes.length; )
    sent += sendSome(socket, bytes.subarray(sent), sent === 0 ? control : undefined);
}

function sendSome(socket: number, bytes: Uint8Array, control: Uint8Array | undefined): number {
  // struct iovec, struct msghdr.
  const piece = new BigUint64Array([BigInt(ptr(bytes)), BigInt(bytes.length)]);
  const message = new BigUint64Array([
    ...[0n, 0n, BigInt(ptr(piece)), 1n],
    ...(control === undefined ? [0n, 0n] : [BigInt(ptr(control)), BigInt(control.length)]),
    0n,
  ]);
  const sent = Number(libc().sendmsg(socket, ptr(message), MSG_NOSIGNAL));
  if (sent > 0) return sent;
  // Either there is no room, which the poll waits for, or the other side is gone, which it tells.
  const waiting = new Int32Array([socket, POLLOUT]);
  libc().poll(ptr(waiting), 1n, -1);
  const told = (waiting[1] ?? 0) >>> 16;
  if (told !== POLLOUT) throw new Error("nobody has the other end of the socket");
  return 0;
}

/** struct cmsghdr with descriptors, of which each has four bytes; the whole is a multiple of eight. */
function controlOf(descriptors: readonly number[]): Uint8Array | undefined {
  if (descriptors.length === 0) return undefined;
  const length = CONTROL_HEADER + 4 * descriptors.length;
  const bytes = Buffer.alloc(Math.ceil(length / 8) * 8);
  bytes.writeBigUInt64LE(BigInt(length), 0);
  bytes.writeInt32LE(SOL_SOCKET, 8);
  bytes.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, fd] of descriptors.entries()) bytes.writeInt32LE(fd, CONTROL_HEADER + 4 * index);
  return bytes;
}
