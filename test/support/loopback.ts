/** Takes this host's loopback into use, as root: the lab's root has no program for that. Run by test/lab.test.ts. */
import { dlopen, FFIType } from "bun:ffi";

const { i32, u64, ptr } = FFIType;
const { symbols } = dlopen("libc.so.6", {
  socket: { args: [i32, i32, i32], returns: i32 },
  ioctl: { args: [i32, u64, ptr], returns: i32 },
});

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SIOCSIFFLAGS = 0x8914n;
const IFF_UP = 1;

/** `struct ifreq` of netdevice(7): the name in 16 bytes, then the flags. */
const request = Buffer.alloc(40);
request.write("lo");
request.writeUInt16LE(IFF_UP, 16);
const fd = symbols.socket(AF_INET, SOCK_DGRAM, 0);
if (fd < 0 || symbols.ioctl(fd, SIOCSIFFLAGS, request) !== 0) throw new Error("the loopback stays down");
