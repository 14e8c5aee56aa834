/**
 * Which system calls an engine's process may make. Made from what QEMU and libkrun call under all tests of whole
 * programs, and then read one by one: what a guest's attacker could use and neither of them needs is not here.
 */
import type { ProfileName } from "../types.ts";
import { type Check, noPointer } from "./bpf.ts";
import { filesProfile } from "./own-profiles.ts";

/** A name stands for a call with any arguments. */
export type Entry =
  | string
  | {
      readonly name: string;
      readonly checks: readonly Check[];
      readonly errno?: number;
      /** What does not pass is the next entry's to judge, which is of the same call. */
      readonly orNext?: boolean;
    };

export interface Profile {
  readonly allowed: readonly Entry[];
  /** Calls that programs can do without, and make: they fail with this errno. */
  readonly refused: Readonly<Record<string, number>>;
  /** Calls that are in neither list pass. Default: they are forbidden. */
  readonly othersPass?: boolean | undefined;
}

const ENOSYS = 38;
const EPERM = 1;
const EACCES = 13;

const CLONE_THREAD = 0x10000;
/** CLONE_NEWTIME, -NS, -CGROUP, -UTS, -IPC, -USER, -PID, -NET, and CLONE_PTRACE, -VFORK, -PARENT. */
const CLONE_OTHERWISE = 0x80 | 0x20000 | 0x7e000000 | 0x2000 | 0x4000 | 0x8000;
const PROT_WRITE = 2;
const PROT_EXEC = 4;

const PR = {
  setName: 15,
  setTimerSlack: 29,
  setNoNewPrivs: 38,
  setSeccomp: 22,
  mceKill: 33,
  setVma: 0x53564d41,
} as const;

/** Of open(2), on all processors: what is not there cannot be made, and what is there not be emptied. */
const O_CREAT = 0o100;
const O_TRUNC = 0o1000;
const O_TMPFILE = 0o20000000;

const one = (argument: number, ...values: number[]): Check => ({ argument, values });

/** Threads, and no processes: clone3 keeps its flags in memory, where a filter cannot see them. */
const threads: Entry[] = [
  { name: "clone", checks: [{ argument: 0, mask: CLONE_THREAD | CLONE_OTHERWISE, values: [CLONE_THREAD] }] },
  "set_robust_list",
  "set_tid_address",
  "rseq",
  "gettid",
  "getpid",
  "sched_yield",
  "sched_getaffinity",
  "exit",
  "exit_group",
  {
    name: "prctl",
    checks: [one(0, PR.setName, PR.setTimerSlack, PR.setNoNewPrivs, PR.mceKill, PR.setVma)],
    errno: EPERM,
  },
];

const memory: Entry[] = ["munmap", "madvise", "brk", "mremap", "membarrier"];

const signals: Entry[] = [
  "rt_sigaction",
  "rt_sigprocmask",
  "rt_sigreturn",
  "sigaltstack",
  "restart_syscall",
  // To its own threads, also where neither a PID namespace nor Landlock (before version 6) hides others.
  { name: "tgkill", checks: [{ argument: 0, values: "ownProcess" }], errno: EPERM },
];

const time: Entry[] = ["clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday", "clock_getres"];

/** Of descriptors that are open. */
const files: Entry[] = [
  "read",
  "write",
  "readv",
  "writev",
  "pread64",
  "pwrite64",
  "preadv",
  "pwritev",
  "preadv2",
  "pwritev2",
  "lseek",
  "fstat",
  "fstatfs",
  "fsync",
  "fdatasync",
  "fallocate",
  "ftruncate",
  // QEMU after a restore: what it has read of its disks may be old.
  "fadvise64",
  "close",
  "dup",
  "dup2",
  "dup3",
  "eventfd2",
  "pipe2",
  "poll",
  "ppoll",
  "epoll_create1",
  "epoll_ctl",
  "epoll_pwait",
  "epoll_wait",
  "timerfd_create",
  "timerfd_settime",
  "signalfd4",
  // Locks, flags, copies of descriptors: none of them reaches another process (F_SETOWN sends signals, and is not here).
  {
    name: "fcntl",
    checks: [
      one(1, 0 /* F_DUPFD */, 1, 2, 3, 4 /* F_SETFL */, 1030 /* F_DUPFD_CLOEXEC */, 36, 37, 38, 1033, 1034),
    ],
    errno: EPERM,
  },
];

/** Of the flags. */
const onlyWhatIsThere = { mask: O_CREAT | O_TRUNC | O_TMPFILE, values: [0] };

/** By name, of which Landlock and the root directory leave few. */
const names: Entry[] = [
  // Landlock before version 3 lets a file be emptied by whoever may read it.
  { name: "openat", checks: [{ argument: 2, ...onlyWhatIsThere }], errno: EACCES },
  { name: "open", checks: [{ argument: 1, ...onlyWhatIsThere }], errno: EACCES },
  "newfstatat",
  "stat",
  "lstat",
  "statx",
  "statfs",
  "access",
  "faccessat",
  "faccessat2",
  "readlink",
  "readlinkat",
  "getcwd",
  "getdents64",
];

/** Bytes of sockets that are connected; a socket that the process makes itself could reach nothing. */
const sockets: Entry[] = [
  "recvmsg",
  "sendmsg",
  "recvfrom",
  { name: "sendto", checks: noPointer(4), errno: EACCES },
  "shutdown",
  "getsockname",
  "getpeername",
  "getsockopt",
  "setsockopt",
];

/** Of the process itself. */
const itself: Entry[] = [
  "getrandom",
  "uname",
  "sysinfo",
  "getuid",
  "geteuid",
  "getgid",
  "getegid",
  "getppid",
  "getrlimit",
  // Looking, not setting.
  { name: "prlimit64", checks: [one(0, 0), ...noPointer(2)], errno: EPERM },
  // One that is set is as hard as this one, which stays.
  "seccomp",
  "arch_prctl",
];

const common: Entry[] = [
  "futex",
  ...files,
  ...sockets,
  ...time,
  ...memory,
  ...signals,
  ...threads,
  ...names,
  ...itself,
];

const protection = { argument: 2, mask: PROT_WRITE | PROT_EXEC };
/**
 * Memory that can be written is not executed, nor later: what a guest writes is no program. The C library's loader maps
 * code from files, of which a root directory of its own has no writable one (`noexec`).
 */
const noCode: Entry[] = [
  { name: "mmap", checks: [{ ...protection, values: [0, PROT_WRITE, PROT_EXEC] }], errno: EACCES },
  { name: "mprotect", checks: [{ ...protection, values: [0, PROT_WRITE] }], errno: EACCES },
];

const refused: Readonly<Record<string, number>> = {
  clone3: ENOSYS,
  io_uring_setup: ENOSYS,
  userfaultfd: ENOSYS,
  memfd_create: ENOSYS,
  set_mempolicy: ENOSYS,
  get_mempolicy: ENOSYS,
  mbind: ENOSYS,
  sched_setscheduler: EPERM,
  sched_setattr: EPERM,
  sched_setaffinity: EPERM,
  connect: EACCES,
};

/** ioctl(2) requests of terminals that programs try on whatever they have, to see whether it is one. */
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const FIONBIO = 0x5421;
const FIOCLEX = 0x5451;

/** Requests of /dev/kvm and of what it makes (linux/kvm.h): those that libkrun makes, in the source of its crates. */
const kvm = {
  common: [
    0xae80 /* KVM_RUN */, 0x4008ae61 /* KVM_IRQ_LINE */, 0xae00 /* KVM_GET_API_VERSION */,
    0xae01 /* KVM_CREATE_VM */, 0xae03 /* KVM_CHECK_EXTENSION */, 0xae04 /* KVM_GET_VCPU_MMAP_SIZE */,
    0xae41 /* KVM_CREATE_VCPU */, 0x4020ae46 /* KVM_SET_USER_MEMORY_REGION */,
    0x4068aea3 /* KVM_ENABLE_CAP */, 0x4020ae76 /* KVM_IRQFD */, 0x4040ae79 /* KVM_IOEVENTFD */,
    0x4008ae6a /* KVM_SET_GSI_ROUTING */, 0x8004ae98 /* KVM_GET_MP_STATE */,
    0x4004ae99 /* KVM_SET_MP_STATE */,
  ],
  x64: [
    0xae47 /* KVM_SET_TSS_ADDR */, 0x4008ae48 /* KVM_SET_IDENTITY_MAP_ADDR */,
    0xae60 /* KVM_CREATE_IRQCHIP */, 0xae71 /* KVM_REINJECT_CONTROL */, 0x4040ae77 /* KVM_CREATE_PIT2 */,
    0xc008ae05 /* KVM_GET_SUPPORTED_CPUID */, 0xc004ae02 /* KVM_GET_MSR_INDEX_LIST */,
    0x4008ae90 /* KVM_SET_CPUID2 */, 0x8138ae83 /* KVM_GET_SREGS */, 0x4138ae84 /* KVM_SET_SREGS */,
    0x4090ae82 /* KVM_SET_REGS */, 0x4008ae89 /* KVM_SET_MSRS */, 0x41a0ae8d /* KVM_SET_FPU */,
    0x8400ae8e /* KVM_GET_LAPIC */, 0x4400ae8f /* KVM_SET_LAPIC */, 0xaead /* KVM_KVMCLOCK_CTRL */,
    0xaea2 /* KVM_SET_TSC_KHZ */, 0xaea3 /* KVM_GET_TSC_KHZ */,
  ],
  arm64: [
    0x8020aeaf /* KVM_ARM_PREFERRED_TARGET */, 0x4020aeae /* KVM_ARM_VCPU_INIT */,
    0x4010aeac /* KVM_SET_ONE_REG */, 0x4010aeab /* KVM_GET_ONE_REG */, 0xc00caee0 /* KVM_CREATE_DEVICE */,
    0x4018aee1 /* KVM_SET_DEVICE_ATTR */, 0x4018aee2 /* KVM_GET_DEVICE_ATTR */,
    0x4018aee3 /* KVM_HAS_DEVICE_ATTR */,
  ],
} as const;

/**
 * For what draws on the host's GPU, read in the sources of libdrm, Mesa and virglrenderer, and never recorded: no host with a
 * GPU was at hand. Requests of DRM ('d' in the second byte), of buffers that drivers share ('b') and of their fences ('>').
 */
const gpuRequests: Entry = {
  name: "ioctl",
  checks: [{ argument: 1, mask: 0xff00, values: [0x6400, 0x6200, 0x3e00] }],
  orNext: true,
};

/** What Mesa tries, and does without: to compare descriptors, to lower a thread's priority, to keep compiled shaders. */
const refusedOfGpus: Readonly<Record<string, number>> = {
  kcmp: ENOSYS,
  setpriority: EPERM,
  mkdir: EACCES,
  unlink: EACCES,
};

const withGpu = ({ allowed, refused, othersPass }: Profile): Profile => ({
  allowed: [gpuRequests, ...allowed],
  refused: { ...refused, ...refusedOfGpus },
  othersPass,
});

const profiles: Record<ProfileName, (architecture: "x64" | "arm64") => Profile> = {
  // Its translations are code that it writes.
  qemu: () => ({
    allowed: [
      ...common,
      "mmap",
      "mprotect",
      { name: "ioctl", checks: [one(1, TCGETS, TCSETS, FIONBIO, FIOCLEX)], errno: 25 /* ENOTTY */ },
      "fchdir",
    ],
    refused: { ...refused, socket: EACCES },
  }),
  krun: (architecture) => ({
    allowed: [
      {
        name: "ioctl",
        checks: [one(1, ...kvm.common, ...kvm[architecture], TCGETS, FIONBIO, FIOCLEX)],
        errno: 25,
      },
      ...common,
      ...noCode,
      // Which connects nowhere: launcher/krun/krun.c puts the one that is connected in its place.
      {
        name: "socket",
        checks: [one(0, 1 /* AF_UNIX */), { argument: 1, mask: 0xff, values: [1 /* SOCK_STREAM */] }],
        errno: EACCES,
      },
      "copy_file_range",
    ],
    refused,
  }),
  "qemu-gpu": (architecture) => withGpu(profiles.qemu(architecture)),
  "krun-gpu": (architecture) => withGpu(profiles.krun(architecture)),
  files: () => filesProfile,
};

export function profileOf(name: ProfileName, architecture: "x64" | "arm64"): Profile {
  return profiles[name](architecture);
}
