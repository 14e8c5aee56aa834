import { dlopen, ptr } from "bun:ffi";
import fs, { constants } from "node:fs";
import { networkInterfaces } from "node:os";
import { confineSelf } from "../../src/confine/index.ts";
import type { Confinement, OwnNeeds } from "../../src/confine/types.ts";

/**
 * An attacker in the place of a machine's process (self.test.ts): gives up what that gives up, and tries then what it is
 * not to do. Prints the names of what succeeded, as JSON.
 */

interface Order {
  readonly confinement: Confinement;
  readonly needs: OwnNeeds;
  /** Directory of the own machine; of another machine; of the user's keys. */
  readonly own: string;
  readonly other: string;
  readonly home: string;
  /** Sockets of another process: of streams, of datagrams, and an abstract one. */
  readonly stream: string;
  readonly datagram: string;
  readonly abstract: string;
}

const order: Order = JSON.parse(process.argv[2] ?? "");
const { own, other, home } = order;
const { symbols: libc } = dlopen("libc.so.6", {
  syscall: { args: ["i64", "u64", "u64"], returns: "i64" },
  linkat: { args: ["i32", "ptr", "i32", "ptr", "i32"], returns: "i32" },
  socket: { args: ["i32", "i32", "i32"], returns: "i32" },
  socketpair: { args: ["i32", "i32", "i32", "ptr"], returns: "i32" },
  connect: { args: ["i32", "ptr", "u32"], returns: "i32" },
  mount: { args: ["ptr", "ptr", "ptr", "u64", "ptr"], returns: "i32" },
  unshare: { args: ["i32"], returns: "i32" },
  ptrace: { args: ["i64", "i32", "u64", "u64"], returns: "i64" },
  setpriority: { args: ["i32", "i32", "i32"], returns: "i32" },
  setxattr: { args: ["ptr", "ptr", "ptr", "u64", "i32"], returns: "i32" },
});
const text = (value: string) => ptr(Buffer.from(`${value}\0`));
const AF = { unix: 1, netlink: 16, packet: 17, vsock: 40 } as const;
const [STREAM, DGRAM, RAW] = [1, 2, 3];

/** struct sockaddr_un. @param abstract the name is none of a file */
function address(path: string, abstract = false): Buffer {
  const bytes = Buffer.alloc(2 + (abstract ? 1 : 0) + Buffer.byteLength(path) + (abstract ? 0 : 1));
  bytes.writeUInt16LE(AF.unix, 0);
  bytes.write(path, abstract ? 3 : 2);
  return bytes;
}

function connects(fd: number, to: Buffer): boolean {
  return fd >= 0 && libc.connect(fd, ptr(to), to.length) === 0;
}

/** A pair of datagrams can be connected to somebody else. */
function pairConnects(type: number, to: Buffer): boolean {
  const pair = new Int32Array(2);
  return libc.socketpair(AF.unix, type, 0, ptr(pair)) === 0 && connects(pair[0] ?? -1, to);
}

const writes = (path: string): boolean => {
  fs.appendFileSync(path, "x");
  return true;
};
const reads = (path: string): boolean => fs.readFileSync(path).length > 0;
const done = (action: () => void): boolean => {
  action();
  return true;
};

// A child, so that the kernel itself lets it be traced.
const sibling = Bun.spawn(["sleep", "1000"], { stdio: ["ignore", "ignore", "ignore"] });
const PTRACE_SEIZE = 0x4206;
const CLONE_NEWNS = 0x20000;
const [MS_REC, MS_PRIVATE] = [0x4000, 1 << 18];
/** The same numbers on all processors. */
const [SYS_io_uring_setup, SYS_pidfd_open] = [425n, 434n];
/** CAP_CHOWN, -DAC_OVERRIDE, -FOWNER, -NET_BIND_SERVICE. */
const MOST_CAPABILITIES = 0x40bn;

function isFree(task: string): boolean {
  const status = fs.readFileSync(`/proc/self/task/${task}/status`, "utf8");
  const [, capabilities = "0"] = /^CapEff:\s+(\w+)$/m.exec(status) ?? [];
  return /^Seccomp:\s+0$/m.test(status) || (BigInt(`0x${capabilities}`) & ~MOST_CAPABILITIES) !== 0n;
}

/** In this order: what is read and written before what is removed. */
const tries: Record<string, () => boolean> = {
  // What it goes on doing.
  "reads its own file": () => reads(`${own}/state.json`),
  "replaces its own file": () =>
    done(() => {
      fs.writeFileSync(`${own}/state.json.new`, "{}");
      fs.renameSync(`${own}/state.json.new`, `${own}/state.json`);
    }),
  "makes a file appear": () => {
    const fd = fs.openSync(own, 0o20000000 | constants.O_DIRECTORY | constants.O_RDWR, 0o600);
    return libc.linkat(-100, text(`/proc/self/fd/${fd}`), -100, text(`${own}/appeared`), 0x400) === 0;
  },
  "signals itself": () => process.kill(process.pid, 0),
  "listens on TCP": () => Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }).port > 0,
  "sends UDP": () => libc.socket(2, DGRAM, 0) >= 0,
  "knows the host's addresses": () => Object.keys(networkInterfaces()).length > 0,
  "has a pair of streams": () => libc.socketpair(AF.unix, STREAM, 0, ptr(new Int32Array(2))) === 0,

  // Files.
  "reads a key": () => reads(`${home}/.ssh/id`),
  "lists keys": () => fs.readdirSync(`${home}/.ssh`).length > 0,
  "writes authorized_keys": () => writes(`${home}/.ssh/authorized_keys`),
  "reads another machine's disk": () => reads(`${other}/disk`),
  "writes another machine's disk": () => writes(`${other}/disk`),
  "reads passwords": () => reads("/etc/shadow"),
  "writes a program": () => done(() => fs.writeFileSync(`${home}/program`, "x")),
  "reads another's environment": () => reads(`/proc/${sibling.pid}/environ`),
  "writes a kernel's setting": () => {
    const path = "/proc/sys/kernel/hostname";
    return done(() => fs.writeFileSync(path, fs.readFileSync(path)));
  },
  "takes its own disk out": () => done(() => fs.renameSync(`${own}/disk`, `${home}/stolen`)),
  "takes another's disk in": () => done(() => fs.renameSync(`${other}/spare`, `${own}/stolen`)),
  "links a key to itself": () => done(() => fs.linkSync(`${home}/.ssh/id`, `${own}/linked`)),
  "reads by a link": () => {
    fs.symlinkSync(`${home}/.ssh/id`, `${own}/by-link`);
    return reads(`${own}/by-link`);
  },
  "reads by a descriptor": () => {
    const fd = fs.openSync("/", 0o10000000);
    return reads(`/proc/self/fd/${fd}${home}/.ssh/id`);
  },
  "opens a key to others": () => done(() => fs.chmodSync(`${home}/.ssh/id`, 0o644)),
  "gives a key away": () => done(() => fs.chownSync(`${home}/.ssh/id`, 1, 1)),
  "changes times of others": () => done(() => fs.utimesSync(`${home}/.ssh/id`, 1, 1)),
  "marks others' files": () => libc.setxattr(text(`${home}/.ssh/id`), text("user.x"), text("x"), 1, 0) === 0,
  "empties others' files": () => done(() => fs.truncateSync(`${other}/disk`, 0)),
  "removes a socket of others": () => done(() => fs.unlinkSync(`${home}/spare.sock`)),
  "moves another machine": () => done(() => fs.renameSync(other, `${other}.moved`)),
  "makes a machine": () => done(() => fs.mkdirSync(`${home}/machine`)),

  // Sockets.
  "connects to another's socket": () => connects(libc.socket(AF.unix, STREAM, 0), address(order.stream)),
  "sends to another's socket": () => connects(libc.socket(AF.unix, DGRAM, 0), address(order.datagram)),
  "connects a pair to another's socket": () => pairConnects(DGRAM, address(order.datagram)),
  "connects to an abstract socket": () =>
    connects(libc.socket(AF.unix, STREAM, 0), address(order.abstract, true)),
  "speaks vsock": () => libc.socket(AF.vsock, STREAM, 0) >= 0,
  "speaks to the kernel's audit": () => libc.socket(AF.netlink, RAW, 9) >= 0,
  "reads the wire": () => libc.socket(AF.packet, RAW, 0x0300) >= 0,
  "forges packets": () => libc.socket(2, RAW, 1) >= 0,

  // Programs, processes, the kernel.
  "starts a program": () => Bun.spawnSync(["true"]).success,
  "signals another": () => process.kill(sibling.pid, 0),
  "signals its group": () => process.kill(0, 0),
  "slows another down": () => libc.setpriority(0, sibling.pid, 5) === 0,
  "traces another": () => libc.ptrace(PTRACE_SEIZE, sibling.pid, 0, 0) === 0n,
  "gets hold of another": () => libc.syscall(SYS_pidfd_open, sibling.pid, 0) >= 0n,
  "makes namespaces": () => libc.unshare(CLONE_NEWNS) === 0,
  // Of the namespace that it has just made, and of the host's where it could make none.
  "changes mounts": () => libc.mount(text("none"), text("/"), null, MS_REC | MS_PRIVATE, null) === 0,
  "has a ring": () => libc.syscall(SYS_io_uring_setup, 1, ptr(new Uint8Array(128))) >= 0n,
  // Those of the runtime that were there before, too.
  "has a free thread": () => fs.readdirSync("/proc/self/task").some(isFree),
};

await confineSelf(order.confinement, { seal() {} }, () => order.needs);
const found: string[] = [];
for (const [name, attempt] of Object.entries(tries)) {
  try {
    if (attempt()) found.push(name);
  } catch {
    // Refused.
  }
}
console.log(JSON.stringify({ found, sibling: sibling.pid }));
process.exit(0);
