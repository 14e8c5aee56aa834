import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { probeCommand } from "../self.ts";
import type { Verdict } from "../types.ts";
import { hasVirtualizationFlag } from "./cpu.ts";

/** How long the trial may take: milliseconds on real hardware; an emulated machine needs most of a second. */
const TRIAL_MS = 5000;

type Answer = Omit<Verdict, "engine" | "details"> & { details?: Record<string, string> };

/**
 * Whether KVM (Hypervisor.framework on macOS) runs guests here. A /dev/kvm that can be opened proves nothing: there
 * are hosts whose KVM emulates guests instruction by instruction and gives up in the middle of a kernel's boot.
 */
export async function tryKrun(hasLibkrun: boolean): Promise<Verdict> {
  const answer = hasLibkrun ? await tryHypervisor() : noLibkrun;
  return { engine: "krun", details: {}, ...answer };
}

const noLibkrun: Answer = {
  works: false,
  reason: "this build of smolvm has no libkrun",
  fix: "use a released build, or ./dev build on a host with cargo",
};

async function tryHypervisor(): Promise<Answer> {
  if (process.platform === "darwin") return tryHypervisorFramework();
  return deviceProblem() ?? processorProblem() ?? (await trial());
}

function deviceProblem(): Answer | undefined {
  if (!existsSync("/dev/kvm")) {
    return {
      works: false,
      reason: "there is no /dev/kvm",
      fix: hasVirtualizationFlag(cpuinfo())
        ? "sudo modprobe kvm_intel || sudo modprobe kvm_amd"
        : "turn on virtualization (VT-x, AMD-V) in the firmware; in a virtual machine, turn on nested virtualization",
    };
  }
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return undefined;
  } catch {
    return {
      works: false,
      reason: "no permission to open /dev/kvm",
      fix: "sudo usermod -aG kvm $USER, then log in again",
    };
  }
}

function processorProblem(): Answer | undefined {
  if (process.arch !== "x64" || hasVirtualizationFlag(cpuinfo())) return undefined;
  return {
    works: false,
    reason: "/dev/kvm opens, but the CPU has neither vmx nor svm: this KVM cannot run a kernel",
    fix: "if this host is a virtual machine, turn on nested virtualization for it",
  };
}

function cpuinfo(): string {
  try {
    return readFileSync("/proc/cpuinfo", "utf8");
  } catch {
    return "";
  }
}

/** Has a child run a guest of a few instructions: a KVM that hangs or kills the process takes only that with it. */
async function trial(): Promise<Answer> {
  const { command, env } = probeCommand();
  const child = Bun.spawn(command, {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    timeout: TRIAL_MS,
    killSignal: "SIGKILL",
  });
  const [output] = await Promise.all([child.stdout.text(), child.exited]);
  if (child.signalCode === "SIGKILL") {
    const details = { timeout: "yes" };
    return { works: false, reason: `KVM did not run a guest within ${TRIAL_MS / 1000} s`, details };
  }
  return parseTrial(output);
}

/** Reads what the child printed: `ok DETAIL` or `failed REASON`. */
export function parseTrial(output: string): Answer {
  const [, word, detail] = /^(ok|failed) ([ -~]{1,300})\n$/.exec(output) ?? [];
  if (word === "ok" && detail !== undefined) return { works: true, reason: detail };
  return {
    works: false,
    reason: detail ?? "the process that tried KVM died",
    fix: "if this host is a virtual machine, its nested virtualization does not work; --engine qemu does without",
  };
}

async function tryHypervisorFramework(): Promise<Answer> {
  const child = Bun.spawn(["/usr/sbin/sysctl", "-n", "kern.hv_support"], {
    stderr: "ignore",
    timeout: TRIAL_MS,
  });
  const works = (await child.stdout.text()).trim() === "1";
  return works
    ? { works, reason: "Hypervisor.framework is available" }
    : { works, reason: "this Mac has no Hypervisor.framework (kern.hv_support is not 1)" };
}
