import { ptr } from "bun:ffi";
import type { openSystemCalls } from "../../../ffi/kvm.ts";

/** What the guests of both architectures share (Documentation/virt/kvm/api.rst). */
export type SystemCalls = ReturnType<typeof openSystemCalls>;

const KVM_GET_VCPU_MMAP_SIZE = ["KVM_GET_VCPU_MMAP_SIZE", 0xae04] as const;
const KVM_CREATE_VCPU = ["KVM_CREATE_VCPU", 0xae41] as const;
const KVM_SET_USER_MEMORY_REGION = ["KVM_SET_USER_MEMORY_REGION", 0x4020ae46] as const;
const KVM_RUN = ["KVM_RUN", 0xae80] as const;

/** kvm_run.exit_reason */
export const Exit = { io: 2, hlt: 5, mmio: 6, failEntry: 9, internalError: 17 } as const;

export interface Guest {
  readonly vcpu: number;
  /** Guest memory, from guest physical address 0. */
  readonly memory: DataView;
  /** struct kvm_run. */
  readonly run: DataView;
}

/** Gives the VM memory at guest physical address 0 and one CPU. */
export function makeGuest(system: SystemCalls, kvm: number, vm: number, memoryBytes: number): Guest {
  const { address, memory } = system.map(memoryBytes);
  const region = new DataView(new ArrayBuffer(32));
  region.setBigUint64(16, BigInt(memoryBytes), true);
  region.setBigUint64(24, BigInt(address), true);
  system.ioctl(vm, KVM_SET_USER_MEMORY_REGION, ptr(region));
  const vcpu = system.ioctl(vm, KVM_CREATE_VCPU, 0);
  const run = system.map(system.ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), vcpu).memory;
  return { vcpu, memory, run };
}

/** Lets the guest run until it does what `expected` says. */
export function runUntil(system: SystemCalls, guest: Guest, expected: number): void {
  system.ioctl(guest.vcpu, KVM_RUN, 0);
  const reason = guest.run.getUint32(8, true);
  if (reason === expected) return;
  const name = Object.entries(Exit).find(([, value]) => value === reason)?.[0] ?? `exit reason ${reason}`;
  throw new Error(`KVM ended a guest of a few instructions with ${name}`);
}
