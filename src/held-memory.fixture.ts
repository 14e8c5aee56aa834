/**
 * For tests of what something keeps: bytes of this process's heap that are in use, with the buffers that it holds. The
 * memory that a process has of its host would not do: that has the garbage of all tests before.
 */
export function heldMemory(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}
