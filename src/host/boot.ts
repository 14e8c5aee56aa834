import { readFileSync } from "node:fs";

let boot: string | undefined;

/** Identifies this run of the host's kernel; empty where there is no such thing (macOS): then every boot is one. */
export function bootId(): string {
  if (boot === undefined) {
    try {
      boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    } catch {
      boot = "";
    }
  }
  return boot;
}
