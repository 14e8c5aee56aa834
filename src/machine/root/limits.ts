const MIB = 1024 * 1024;

/**
 * Bytes of memory that the workload does not get, so that the kernel ends a process as soon as the workload's share is
 * gone. Without it the whole machine runs dry first: for seconds nothing moves but pages of programs, evicted and read again. What is
 * reserved has to hold the agent (1 MiB), page cache of the system image, memory that no cgroup is charged for, and
 * the kernel's own reserve (vm.min_free_kbytes grows with the root of the memory: 2 MiB of 256, 11 MiB of 8192).
 */
export function reservedMemory(memoryMib: number): number {
  return Math.min(8 + Math.floor(memoryMib / 32), 128) * MIB;
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

/** Threads of the workload: some are left to the system, else a fork bomb would keep the agent from starting anything. */
export function pidsMax(memoryMib: number): number {
  return Math.floor((Math.min(threadsMax(memoryMib), PIDS) * 7) / 8);
}
