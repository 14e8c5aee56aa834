/**
 * System calls of the server of files. It is a program of ours in a language with a runtime, whose calls change with each
 * version of that: a list of what it may call would be as long as a kernel's, and wrong at the next update. So this is a
 * list of what it must not call: start programs, reach other processes, make sockets, change what the kernel does.
 */
import type { Check } from "./bpf.ts";
import type { Entry, Profile } from "./profiles.ts";

const EPERM = 1;
const EACCES = 13;
const ENOSYS = 38;

const CLONE_THREAD = 0x10000;
const toItself: readonly Check[] = [{ argument: 0, values: "ownProcess" }];

/** Of open(2): what is opened for reading only is not emptied, which Landlock before version 3 would let pass. */
const O_TRUNC = 0o1000;
const noEmptying = (argument: number): Check => ({
  argument,
  mask: 0o3 | O_TRUNC,
  values: [0, 1, 2, 1 | O_TRUNC, 2 | O_TRUNC],
});

/** Those that pass for some arguments only. */
const checked: readonly Entry[] = [
  { name: "clone", checks: [{ argument: 0, mask: CLONE_THREAD, values: [CLONE_THREAD] }], errno: EPERM },
  { name: "kill", checks: toItself, errno: EPERM },
  { name: "tgkill", checks: toItself, errno: EPERM },
  { name: "open", checks: [noEmptying(1)], errno: EACCES },
  { name: "openat", checks: [noEmptying(2)], errno: EACCES },
  // Its own limits, as the runtime raises them; no other process's.
  { name: "prlimit64", checks: [{ argument: 0, values: [0] }], errno: EPERM },
];

const failing = (errno: number, words: string): [string, number][] =>
  words
    .trim()
    .split(/\s+/)
    .map((name) => [name, errno]);

const refused = Object.fromEntries([
  // Flags of clone3 and openat2 are in memory, where a filter cannot see them: callers fall back to clone and openat.
  ...failing(ENOSYS, "clone3 openat2 io_uring_setup io_uring_enter io_uring_register userfaultfd"),
  ...failing(EPERM, "fork vfork execveat"),
  ...failing(
    EPERM,
    `ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp migrate_pages move_pages
     pidfd_open pidfd_getfd pidfd_send_signal tkill rt_sigqueueinfo rt_tgsigqueueinfo sched_setaffinity
     sched_setscheduler sched_setparam sched_setattr setpriority ioprio_set setpgid`,
  ),
  // By name, for which Landlock has no rule before version 3. Of an open file it is ftruncate.
  ...failing(EACCES, "truncate"),
  ...failing(EACCES, "socket connect bind listen accept accept4"),
  ...failing(
    EPERM,
    `mount umount2 pivot_root chroot unshare setns move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
     init_module finit_module delete_module kexec_load kexec_file_load bpf perf_event_open keyctl add_key request_key
     reboot swapon swapoff acct quotactl quotactl_fd syslog sethostname setdomainname settimeofday clock_settime
     clock_adjtime adjtimex iopl ioperm modify_ldt open_by_handle_at fanotify_init lookup_dcookie vhangup personality
     shmget shmat shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink`,
  ),
]);

export const filesProfile: Profile = { allowed: checked, refused, othersPass: true };
