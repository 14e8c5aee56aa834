import { existsSync, readFileSync } from "node:fs";
import { ensureInstalled } from "./apt.ts";
import { architecture } from "./host.ts";

/** Which engine the build machine can use: decides what the first try of a checkout has to wait for. */

/**
 * Whether krun has a chance here. This only says no where it is certain (no virtualization in the processor, no
 * /dev/kvm); the program itself finds out by trying.
 */
export function canRunKrun(): boolean {
  if (process.platform === "darwin") return architecture() === "arm64";
  if (!existsSync("/dev/kvm")) return false;
  return (
    architecture() === "arm64" || /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8"))
  );
}

/** Installs QEMU for this architecture unless it is there. */
export async function ensureQemu(): Promise<void> {
  const [command, name] =
    architecture() === "x64"
      ? ["qemu-system-x86_64", "qemu-system-x86"]
      : ["qemu-system-aarch64", "qemu-system-arm"];
  if (!Bun.which(command)) await ensureInstalled([name], "krun cannot run here, so machines run in QEMU");
}
