import { readdirSync, readFileSync } from "node:fs";

/** The processes that serve a machine's folders, by the id of the machine's process: one, or none. */
export function fileServers(machine: number): number[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      if (!words.includes("__files")) return [];
      // A warden and a starter lie between, where the server is confined.
      const parent = parentOf(pid);
      const above = parentOf(parent);
      return [parent, above, parentOf(above)].map(Number).includes(machine) ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

const parentOf = (pid: string): string =>
  /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
