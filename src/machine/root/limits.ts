const MIB = 1024 * 1024;

/**
 * Bytes of memory that the workload does not get, of what programs could have when its root is made: the
 * limit of its cgroup must be met before the machine runs dry. Else nothing moves for seconds but pages of
 * programs, evicted and read again (`--mem 256 -- tail /dev/zero` under emulation: twice the time until the
 * kill). What is reserved has to hold what the kernel and the agent take later and charge to no cgroup.
 */
export function reservedMemory(memoryMib: number): number {
  return Math.min(4 + Math.floor(memoryMib / 64), 64) * MIB;
}

/** pid_max of a kernel that was built small cannot be raised further. */
const PIDS = 32768;

/**
 * Threads that the kernel may have in all: one for 64 KiB of memory. Each costs about 30 KiB; the kernel's own number
 * is half of this.
 */
export function threadsMax(memoryMib: number): number {
  return Math.max(1024, memoryMib * 16);
}

/** The first process of the machine, where it is ours, counts in the root's cgroup like the user's. */
const OWN_PROCESSES = 1;

/**
 * Threads of the workload: some are left to the system, else a fork bomb would keep the agent from starting
 * anything.
 *
 * @param asked as many as the user allows; null: what the memory suggests, which nobody gets more than
 */
export function pidsMax(memoryMib: number, asked: number | null): number {
  const most = Math.floor((Math.min(threadsMax(memoryMib), PIDS) * 7) / 8);
  return asked === null ? most : Math.min(asked + OWN_PROCESSES, most);
}
