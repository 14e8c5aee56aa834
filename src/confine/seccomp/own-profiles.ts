/**
 * System calls of our own processes that read what guests send. They are programs in a language with a runtime, whose
 * calls change with each version of that: a list of what they may call would be as long as a kernel's, and wrong at the
 * next update. So these are lists of what they must not call.
 */
import type { Check } from "./bpf.ts";
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

/**
 * Of a machine's process that starts nothing any more: it carries its guest's connections.
 *
 * @param ownProcess its id
 */
export const machineProfile = (ownProcess: number): Profile => ({
  allowed: [...itself, ...signals([ownProcess])],
  refused: Object.fromEntries([...never, ...failing(EPERM, "execve pidfd_send_signal")]),
  othersPass: true,
});
