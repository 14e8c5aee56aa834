import { readFileSync } from "node:fs";

let boot: string | undefined;

/** Identifies this run of the host's kernel; where there is no such thing, files are never taken for unsafe. */
export function currentBoot(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    } catch {
      boot = "";
    }
  }
  return boot;
}
