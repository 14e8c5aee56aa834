import { COMMON_PARAMETERS, KERNEL_COMMAND_LINE_BYTES } from "../kernel-parameters.ts";
import type { NetCard, VmGpu, VmSpec } from "../types.ts";

/** How QEMU emulates one architecture. */
interface Machine {
  readonly type: string;
  readonly cpu: string;
  /** virtio-mmio transports of the board. */
  readonly transports: number;
  readonly commandLineBytes: number;
  readonly parameters: readonly string[];
}

const machines: Partial<Record<NodeJS.Architecture, Machine>> = {
  x64: {
    // No firmware tables, serial port or option ROMs; PIT and PIC stay: the kernel calibrates its timers with them.
    type: "microvm,rtc=on,acpi=off,auto-kernel-cmdline=on,isa-serial=off,x-option-roms=off",
    // Nested virtualization and five-level page tables cost time at boot and at each page walk, and nobody needs them.
    // `erms` says that strings are copied fastest byte by byte (`rep movsb`), which QEMU does: byte by byte. Without it
    // Linux and glibc take words, and copy two to four times as fast.
    cpu: "max,-svm,-la57,-erms",
    transports: 8,
    // QEMU appends ` virtio_mmio.device=512@0xfeb00e00:12` for each device.
    commandLineBytes: KERNEL_COMMAND_LINE_BYTES - 8 * 38,
    parameters: [
      "reboot=t",
      // One CPU until init starts the others, beside everything else. It is faster, and QEMU before 8.1 has a race in
      // translating code that another CPU patches: with more CPUs one boot in thirty dies of it (`int3` oops).
      "maxcpus=1",
      // With one CPU Linux would take out all lock prefixes, and put them in again for the second.
      "noreplace-smp",
      // The rate of QEMU's APIC timer, which our kernel (recipes/kernel/patches) need not measure then, for 0.2 s.
      "lapic_timer_hz=1000000000",
      // Checksums of ext4 in C: the processor's instruction for them is emulated bit by bit. Making or removing a file
      // takes two thirds of the time.
      "initcall_blacklist=crc32c_intel_mod_init",
    ],
  },
  arm64: {
    type: "virt,gic-version=3",
    cpu: "max,pauth-impdef=on",
    transports: 32,
    commandLineBytes: KERNEL_COMMAND_LINE_BYTES,
    parameters: ["maxcpus=1"],
  },
};

/**
 * Transports that are not for disks and shares: of virtio-serial and the balloon, and one that is kept for a
 * network card.
 */
const OWN_DEVICES = 3;

/** What this architecture's machine allows; undefined where there is none. */
export function qemuMachine(arch: NodeJS.Architecture = process.arch) {
  const machine = machines[arch];
  return (
    machine && {
      limits: {
        commandLineBytes: machine.commandLineBytes,
        devices: machine.transports - OWN_DEVICES,
      },
      machineArguments: machineArguments(machine),
      parameters: [...machine.parameters, ...COMMON_PARAMETERS, FIXED_ADDRESSES],
    }
  );
}

/**
 * Programs and libraries are always at the same addresses. QEMU keeps its translations of code by address: with random
 * ones, each start of a program is translated anew, which took half of the time of an `exec`.
 */
const FIXED_ADDRESSES = "norandmaps";

/**
 * The kernel's parameters: the machine's, then the caller's. Who asks for mitigations (`mitigations=auto`) also wants
 * random addresses.
 */
export function kernelParameters(parameters: readonly string[], asked: readonly string[]): string[] {
  const mitigated = asked.includes("mitigations=auto");
  return [...parameters.filter((one) => !mitigated || one !== FIXED_ADDRESSES), ...asked];
}

const SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/** Board, accelerator and the devices that every VM has but for its console and agent. */
function machineArguments(machine: Machine): string[] {
  return [
    ...["-M", machine.type],
    ...["-accel", "tcg,thread=multi"],
    ...["-cpu", machine.cpu],
    ...["-global", "virtio-mmio.force-legacy=false"],
    // Nothing that was not asked for: no default devices, no configuration files, no window, no reboot.
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    // Two ports, not the default 31: each costs two queues to set up.
    ...["-device", "virtio-serial-device,max_ports=2"],
    // What the guest frees goes back to the host.
    ...["-device", "virtio-balloon-device,free-page-reporting=on"],
    // QEMU may start no other program and gain no privilege (seccomp).
    ...(process.platform === "linux" ? ["-sandbox", SANDBOX] : []),
  ];
}

/** The ends of the agent's channel and of the network's wire: a socket's path, or a descriptor that is connected. */
export interface Channels {
  readonly agent: string | number;
  readonly card: string | number;
}

/**
 * The arguments of `qemu-system-*` for this VM, without the program itself. Console: stdout. Agent: a virtio-serial
 * port that is connected with the caller's socket.
 *
 * @param commandLine kernel parameters, complete
 */
export function qemuArguments(
  spec: VmSpec,
  machineArguments: readonly string[],
  commandLine: string,
  channels: Channels,
): string[] {
  const { agent } = channels;
  const agentEnd = typeof agent === "number" ? `fd=${agent}` : `path=${escapeCommas(agent)}`;
  return [
    ...machineArguments,
    ...["-m", `${spec.memoryMib}M`, "-smp", String(spec.cpus)],
    ...["-kernel", spec.kernel, "-append", commandLine],
    ...spec.disks.flatMap((disk, index) => diskArguments(disk, `disk${index}`, spec.ephemeral)),
    ...(spec.card === undefined ? [] : cardArguments(spec.card, channels.card)),
    ...(spec.gpu === undefined ? [] : gpuArguments(spec.gpu)),
    ...["-chardev", "stdio,id=console,signal=off", "-device", "virtconsole,chardev=console"],
    ...["-chardev", `socket,id=agent,${agentEnd}`],
    ...["-device", "virtserialport,chardev=agent,name=smolvm.agent"],
  ];
}

/**
 * QEMU connects to the wire, which has no room for the headers of offloads: checksums are in the packets. What helps
 * instead is the guest's MTU of 64 KiB, for which the card needs many receive buffers of a page each.
 */
export function cardArguments({ mac }: NetCard, end: string | number): string[] {
  const address =
    typeof end === "number"
      ? `addr.type=fd,addr.str=${end}`
      : `addr.type=unix,addr.path=${escapeCommas(end)}`;
  const wire = `stream,id=net,server=off,${address}`;
  return ["-netdev", wire, "-device", `virtio-net-device,netdev=net,mac=${mac},mq=off,rx_queue_size=1024`];
}

/**
 * OpenGL of the guest's is drawn by the host's driver (virgl). Vulkan is not: it would need memory that both see, for which
 * QEMU's virtio-mmio has no place.
 */
export function gpuArguments({ vramMib, renderNode }: VmGpu): string[] {
  const memory = `max_hostmem=${vramMib}M`;
  if (renderNode === null) return ["-device", `virtio-gpu-device,${memory}`];
  return [
    // In place of `none`: the last one counts.
    ...["-display", `egl-headless,rendernode=${escapeCommas(renderNode)}`],
    ...["-device", `virtio-gpu-gl-device,${memory}`],
  ];
}

function diskArguments(disk: VmSpec["disks"][number], id: string, ephemeral: boolean): string[] {
  const node = {
    // Extents of a vmdk are opened as the descriptor is: read-only, without writers to guard against.
    driver: disk.format ?? "raw",
    "node-name": id,
    "read-only": disk.readOnly,
    // A file that the guest's trim makes sparse again.
    ...(disk.readOnly ? {} : { discard: "unmap", "detect-zeroes": "unmap" }),
    // Data is in the host's page cache when a write ends, whoever is killed then; what differs is whether a flush
    // of the guest's also waits for the host's disk.
    cache: { "no-flush": ephemeral },
    file: {
      driver: "file",
      filename: disk.path,
      // Images are shared by many VMs; a writable disk is locked, so that two VMs never have the same one.
      locking: disk.readOnly ? "off" : "auto",
      cache: { "no-flush": ephemeral },
    },
  };
  // A full disk of the host is an error for the guest; by default QEMU would stop the VM until somebody makes room.
  const device = `virtio-blk-device,drive=${id},werror=report,rerror=report`;
  return ["-blockdev", JSON.stringify(node), "-device", device];
}

/** In QEMU's option lists a comma ends a value unless it is doubled. */
function escapeCommas(value: string): string {
  return value.replaceAll(",", ",,");
}
