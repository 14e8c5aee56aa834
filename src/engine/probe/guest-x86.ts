import { ptr } from "bun:ffi";
import { Exit, makeGuest, runUntil, type SystemCalls } from "./guest.ts";

const KVM_GET_SUPPORTED_CPUID = ["KVM_GET_SUPPORTED_CPUID", 0xc008ae05] as const;
const KVM_SET_CPUID2 = ["KVM_SET_CPUID2", 0x4008ae90] as const;
const KVM_SET_TSS_ADDR = ["KVM_SET_TSS_ADDR", 0xae47] as const;
const KVM_SET_REGS = ["KVM_SET_REGS", 0x4090ae82] as const;
const KVM_GET_SREGS = ["KVM_GET_SREGS", 0x8138ae83] as const;
const KVM_SET_SREGS = ["KVM_SET_SREGS", 0x4138ae84] as const;

const PORT = 0x5a0;
const SUM = 500_500;
const CODE = 0x1000;
const RESULT = 0x3000;
const TABLES = 0x4000;

/** 64-bit code: adds up 1 to 1000, stores the sum, writes it to a port, counts its bits, halts. */
const code = [
  ...[0x31, 0xc0], //                               xor eax, eax
  ...[0xb9, 0xe8, 0x03, 0x00, 0x00], //             mov ecx, 1000
  ...[0x01, 0xc8], //                               add eax, ecx
  ...[0xff, 0xc9], //                               dec ecx
  ...[0x75, 0xfa], //                               jnz -6
  ...[0x48, 0x89, 0x04, 0x25, 0x00, 0x30, 0, 0], // mov [RESULT], rax
  ...[0x66, 0xba, 0xa0, 0x05], //                   mov dx, PORT
  ...[0xef], //                                     out dx, eax
  ...[0xf3, 0x0f, 0xb8, 0xc8], //                   popcnt ecx, eax
  ...[0xf4], //                                     hlt
];

/**
 * Runs it in long mode with paging on, as a kernel does. The bit count is what KVM's instruction emulator does not
 * know: it tells a CPU that runs the guest from a makeshift that emulates it.
 */
export function runX86Guest(system: SystemCalls, kvm: number, vm: number): void {
  // Intel CPUs without "unrestricted guest" need these three pages, outside of the guest's memory.
  system.ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000);
  const guest = makeGuest(system, kvm, vm, 0x10000);
  const { memory, run, vcpu } = guest;
  // The guest's CPU can do what KVM on this host's can; without that it has no long mode.
  const features = new Uint32Array(2 + 256 * 10); // struct kvm_cpuid2: number of entries, padding, entries
  features[0] = 256;
  system.ioctl(kvm, KVM_GET_SUPPORTED_CPUID, ptr(features));
  system.ioctl(vcpu, KVM_SET_CPUID2, ptr(features));
  new Uint8Array(memory.buffer).set(code, CODE);
  // Page tables: one entry each, the last maps the first 2 MiB (present, writable, accessed, dirty; page size).
  memory.setBigUint64(TABLES, BigInt(TABLES + 0x1000) | 0x63n, true);
  memory.setBigUint64(TABLES + 0x1000, BigInt(TABLES + 0x2000) | 0x63n, true);
  memory.setBigUint64(TABLES + 0x2000, 0xe3n, true);

  const special = new DataView(new ArrayBuffer(312)); // struct kvm_sregs
  system.ioctl(vcpu, KVM_GET_SREGS, ptr(special));
  setSegment(special, 0, { type: 11, selector: 8, long: true }); // cs: execute, read, accessed
  for (let index = 1; index < 6; index++) setSegment(special, index, { type: 3, selector: 16, long: false });
  special.setBigUint64(224, 0x80000031n, true); // cr0: paging, numeric error, extension type, protection
  special.setBigUint64(240, BigInt(TABLES), true); // cr3
  special.setBigUint64(248, 0x20n, true); // cr4: physical address extension
  special.setBigUint64(264, 0x500n, true); // efer: long mode enabled and active
  system.ioctl(vcpu, KVM_SET_SREGS, ptr(special));

  const registers = new DataView(new ArrayBuffer(144)); // struct kvm_regs
  registers.setBigUint64(128, BigInt(CODE), true); // rip
  registers.setBigUint64(136, 2n, true); // rflags: the bit that is always set
  system.ioctl(vcpu, KVM_SET_REGS, ptr(registers));

  runUntil(system, guest, Exit.io);
  const port = run.getUint16(34, true);
  const written = run.getUint32(Number(run.getBigUint64(40, true)), true);
  if (port !== PORT || written !== SUM || memory.getUint32(RESULT, true) !== SUM) {
    throw new Error("KVM ran a guest of a few instructions to a wrong result");
  }
  runUntil(system, guest, Exit.hlt);
}

/** struct kvm_segment number `index` in kvm_sregs: flat, present. */
function setSegment(
  special: DataView,
  index: number,
  segment: { type: number; selector: number; long: boolean },
): void {
  const at = index * 24;
  special.setBigUint64(at, 0n, true); // base
  special.setUint32(at + 8, 0xffffffff, true); // limit
  special.setUint16(at + 12, segment.selector, true);
  special.setUint8(at + 14, segment.type);
  special.setUint8(at + 15, 1); // present
  special.setUint8(at + 16, 0); // dpl
  special.setUint8(at + 17, segment.long ? 0 : 1); // db
  special.setUint8(at + 18, 1); // s: code or data
  special.setUint8(at + 19, segment.long ? 1 : 0); // l
  special.setUint8(at + 20, 1); // g
}
