/** The process that tries KVM: runs a guest of a few instructions and says how that went. */
import { closeSync, openSync } from "node:fs";
import { openSystemCalls } from "../../ffi/kvm.ts";
import { setResourceLimit } from "../../ffi/libc.ts";
import { messageOf } from "../errors.ts";
import { runArm64Guest } from "./probe/guest-arm64.ts";
import { runX86Guest } from "./probe/guest-x86.ts";

const KVM_GET_API_VERSION = ["KVM_GET_API_VERSION", 0xae00] as const;
const KVM_CREATE_VM = ["KVM_CREATE_VM", 0xae01] as const;
const API_VERSION = 12;

/** Entry of the `__probe-kvm` role: prints `ok DETAIL` or `failed REASON`, which probe/krun.ts reads. */
export async function runKvmProbe(): Promise<never> {
  let line: string;
  try {
    setResourceLimit("core", 0);
    line = `ok ${tryKvm()}`;
  } catch (error) {
    line = `failed ${messageOf(error)}`;
  }
  await Bun.write(Bun.stdout, `${line}\n`);
  process.exit(0);
}

function tryKvm(): string {
  const system = openSystemCalls();
  const kvm = openSync("/dev/kvm", "r+");
  try {
    const version = system.ioctl(kvm, KVM_GET_API_VERSION, 0);
    if (version !== API_VERSION) throw new Error(`/dev/kvm speaks version ${version}, not ${API_VERSION}`);
    const vm = system.ioctl(kvm, KVM_CREATE_VM, 0);
    if (process.arch === "arm64") runArm64Guest(system, kvm, vm);
    else runX86Guest(system, kvm, vm);
    return "KVM runs guests";
  } finally {
    closeSync(kvm);
  }
}
