import { ptr } from "bun:ffi";
import { Exit, makeGuest, runUntil, type SystemCalls } from "./guest.ts";

const KVM_SET_ONE_REG = ["KVM_SET_ONE_REG", 0x4010aeac] as const;
const KVM_ARM_VCPU_INIT = ["KVM_ARM_VCPU_INIT", 0x4020aeae] as const;
const KVM_ARM_PREFERRED_TARGET = ["KVM_ARM_PREFERRED_TARGET", 0x8020aeaf] as const;

/** KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | offset of pc in struct kvm_regs, in words of 4 bytes. */
const REGISTER_PC = 0x6030000000100040n;

const CODE = 0x1000;
const DEVICE = 0x10000000n;
const VALUE = 0x5a;

const code = [
  0xd2a20001, // movz x1, #0x1000, lsl #16   address of a device that is not there
  0x52800b40, // movz w0, #0x5a
  0xb9000020, // str  w0, [x1]
];

/** Runs a guest, MMU off, that writes to a device: the write must come out here. */
export function runArm64Guest(system: SystemCalls, kvm: number, vm: number): void {
  const guest = makeGuest(system, kvm, vm, 0x10000);
  const { memory, run, vcpu } = guest;
  new Uint32Array(memory.buffer).set(code, CODE / 4);

  const target = new DataView(new ArrayBuffer(32)); // struct kvm_vcpu_init
  system.ioctl(vm, KVM_ARM_PREFERRED_TARGET, ptr(target));
  system.ioctl(vcpu, KVM_ARM_VCPU_INIT, ptr(target));

  const value = new BigUint64Array([BigInt(CODE)]);
  const register = new BigUint64Array([REGISTER_PC, BigInt(ptr(value))]); // struct kvm_one_reg
  system.ioctl(vcpu, KVM_SET_ONE_REG, ptr(register));

  runUntil(system, guest, Exit.mmio);
  if (run.getBigUint64(32, true) !== DEVICE || run.getUint32(40, true) !== VALUE) {
    throw new Error("KVM ran a guest of a few instructions to a wrong result");
  }
}
