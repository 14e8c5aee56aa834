/**
 * System calls of our own processes that read what guests send. They are programs in a language with a runtime, whose
 * calls change with each version of that: a list of what they may call would be as long as a kernel's, and wrong at the
 * next update. So these are lists of what they must not call.
 */
import { type Check, noPointer } from "./bpf.ts";
import type { Entry, Profile } from "./profiles.ts";

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;

const CLONE_THREAD = 0x10000;
const O_TRUNC = 0o1000;

/** To signal itself, and its threads. */
const signals = (ownProcess: Check["values"]): readonly Entry[] => [
  { name: "kill", checks: [{ argument: 0, values: ownProcess }], errno: EPERM },
  { name: "tgkill", checks: [{ argument: 0, values: ownProcess }], errno: EPERM },
];

/** Threads and no processes; its own limits, as the runtime raises them, and no other process's. */
const itself: readonly Entry[] = [
  { name: "clone", checks: [{ argument: 0, mask: CLONE_THREAD, values: [CLONE_THREAD] }], errno: EPERM },
  { name: "prlimit64", checks: [{ argument: 0, values: [0] }], errno: EPERM },
];

/** Of open(2): what is opened for reading only is not emptied, which Landlock before version 3 would let pass. */
const noEmptying = (argument: number): Check => ({
  argument,
  mask: 0o3 | O_TRUNC,
  values: [0, 1, 2, 1 | O_TRUNC, 2 | O_TRUNC],
});

const failing = (errno: number, words: string): [string, number][] =>
  words
    .trim()
    .split(/\s+/)
    .map((name) => [name, errno]);

/** Programs, other processes, and the kernel: neither process needs them. */
const never = [
  // Its flags are in memory, where a filter cannot see them: the C library falls back to clone.
  ...failing(ENOSYS, "clone3 io_uring_setup io_uring_enter io_uring_register userfaultfd"),
  ...failing(EPERM, "fork vfork execveat"),
  ...failing(
    EPERM,
    `ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp migrate_pages move_pages
     pidfd_open pidfd_getfd tkill rt_sigqueueinfo rt_tgsigqueueinfo sched_setaffinity
     sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set setpgid`,
  ),
  ...failing(
    EPERM,
    `mount umount2 pivot_root chroot unshare setns move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
     init_module finit_module delete_module kexec_load kexec_file_load bpf perf_event_open keyctl add_key request_key
     reboot swapon swapoff acct quotactl quotactl_fd syslog sethostname setdomainname settimeofday clock_settime
     clock_adjtime adjtimex iopl ioperm modify_ldt open_by_handle_at fanotify_init lookup_dcookie vhangup personality
     shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink`,
  ),
];

/** Of the server of files, which has no sockets but the one that it finds open. */
export const filesProfile: Profile = {
  allowed: [
    ...itself,
    ...signals("ownProcess"),
    { name: "open", checks: [noEmptying(1)], errno: EACCES },
    { name: "openat", checks: [noEmptying(2)], errno: EACCES },
  ],
  refused: Object.fromEntries([
    ...never,
    // As for clone3: callers fall back to openat.
    ...failing(ENOSYS, "openat2"),
    // By name, for which Landlock has no rule before version 3. Of an open file it is ftruncate.
    ...failing(EACCES, "truncate"),
    ...failing(EACCES, "socket connect bind listen accept accept4 pidfd_send_signal"),
  ]),
  othersPass: true,
};

/** AF_UNIX, AF_INET, AF_INET6, AF_NETLINK (socket(2)). */
const FAMILY = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;
/** The type of a socket without SOCK_NONBLOCK and SOCK_CLOEXEC. */
const SOCKET_TYPE = 0xf;
const SOCK_STREAM = 1;
/** Of IP: the family's own, TCP, UDP, and ICMP by "ping sockets". Of netlink these are addresses and routes, and IPsec. */
const PROTOCOLS = [0, 6, 17, 1, 58] as const;

/**
 * The network of guests. Netlink tells which addresses are the host's own; who has no capability changes nothing by it.
 * A pair of Unix sockets is for the starter: of streams, since datagrams could be sent to others by it.
 */
const sockets = (unix: boolean): readonly Entry[] => [
  {
    name: "socket",
    checks: [
      { argument: 0, values: [FAMILY.inet, FAMILY.inet6, FAMILY.netlink, ...(unix ? [FAMILY.unix] : [])] },
      { argument: 2, values: PROTOCOLS },
    ],
    errno: EACCES,
  },
  {
    name: "socketpair",
    checks: [{ argument: 1, mask: SOCKET_TYPE, values: [SOCK_STREAM] }],
    errno: EACCES,
  },
];

/** By a path, for which Landlock has no rule. Of files that it may open there are calls by descriptor. */
const attributesByPath = failing(
  EACCES,
  `chmod fchmodat fchmodat2 chown lchown fchownat utime utimes futimesat
   setxattr lsetxattr removexattr lremovexattr truncate`,
);

/**
 * Of a machine's process that starts nothing any more: it carries its guest's connections.
 *
 * @param ownProcess its id
 * @param unixSockets it connects to sockets of the host
 */
export const machineProfile = (ownProcess: number, unixSockets: boolean): Profile => ({
  allowed: [
    ...itself,
    ...signals([ownProcess]),
    ...sockets(unixSockets),
    // Times of a file that is open.
    { name: "utimensat", checks: noPointer(1), errno: EACCES },
  ],
  refused: Object.fromEntries([...never, ...failing(EPERM, "execve pidfd_send_signal"), ...attributesByPath]),
  othersPass: true,
});
