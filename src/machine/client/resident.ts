import { readFileSync } from "node:fs";

const PAGE_BYTES = 4096;

/**
 * Bytes of memory that a process of this host has (proc_pid_statm(5), second field); undefined when it is gone, or
 * where there is no /proc.
 */
export function residentBytes(pid: number | null | undefined): number | undefined {
  if (pid === null || pid === undefined) return undefined;
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, "latin1").split(" ")[1]);
    return Number.isSafeInteger(pages) ? pages * PAGE_BYTES : undefined;
  } catch {
    return undefined;
  }
}
