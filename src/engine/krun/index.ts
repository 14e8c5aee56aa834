import type { ConfinedProgram } from "../../confine/index.ts";
import { SmolError } from "../../errors.ts";
import { COMMON_PARAMETERS, KERNEL_COMMAND_LINE_BYTES, X86_CLOCK_PARAMETERS } from "../kernel-parameters.ts";
import { launchVm } from "../launch.ts";
import {
  AGENT_FD,
  CARD_FD,
  gpuEnvironment,
  gpuPaths,
  KVM_FD,
  libraryPaths,
  vmLimits,
  vmPaths,
  vmSockets,
} from "../program.ts";
import { checkSpec } from "../spec.ts";
import type { Engine, VmSpec } from "../types.ts";
import { krunCalls, krunWords } from "./calls.ts";

const parameters: readonly string[] = [
  // Keyboard controller (x86) or PSCI (arm64): what libkrun listens to.
  "reboot=k",
  // libkrun does not implement asynchronous page faults.
  "no-kvmapf",
  ...COMMON_PARAMETERS,
  ...(process.arch === "x64" ? X86_CLOCK_PARAMETERS : []),
];

/**
 * On x86 libkrun, as recipes/libkrun changes it, gives its devices the interrupts 5 to 23, one each. Taken
 * are those of balloon, random numbers, console and vsock, and one is kept for a network card
 * (docs/design/devices.md, Room for devices).
 */
const X86_DEVICES = 19 - 5;
/** arm64 has 128 interrupts; this is as much as x86 on qemu has, so that what fits on one host fits on others. */
const ARM64_DEVICES = 21;

/** libkrun tells an x86 kernel of each device by a parameter of its own: ` virtio_mmio.device=4K@0xd0000000:23`. */
const DEVICE_PARAMETER_BYTES = 37;

const limits =
  process.arch === "x64"
    ? { commandLineBytes: KERNEL_COMMAND_LINE_BYTES - 19 * DEVICE_PARAMETER_BYTES, devices: X86_DEVICES }
    : { commandLineBytes: KERNEL_COMMAND_LINE_BYTES, devices: ARM64_DEVICES };

/** Hardware virtualization by libkrun: KVM on Linux, Hypervisor.framework on macOS. */
export const krunEngine: Engine = {
  name: "krun",
  agentTransport: "vsock",
  room: limits.devices,
  launch(spec, options = {}) {
    if (options.libkrun === undefined) {
      throw new SmolError("engine.no_libkrun", "this build of smolvm has no libkrun", {
        hint: "use --engine qemu",
      });
    }
    const commandLine = [...parameters, ...spec.commandLine].join(" ");
    checkSpec(spec, commandLine, limits);
    const { libkrun } = options;
    return launchVm({ engine: "krun", libkrun, commandLine, spec }, options, (krun) => {
      if (krun === undefined) throw new Error("nobody said where the program is that calls libkrun");
      return krunProgram(krun, libkrun, commandLine, spec);
    });
  },
};

function krunProgram(program: string, libkrun: string, commandLine: string, spec: VmSpec): ConfinedProgram {
  const connections = { console: "fd:1", agent: `fd:${AGENT_FD}`, card: CARD_FD };
  return {
    profile: spec.gpu === undefined ? "krun" : "krun-gpu",
    command: [program, libkrun, String(KVM_FD), ...krunWords(krunCalls(spec, commandLine, connections))],
    environment: ["LC_ALL=C", ...gpuEnvironment(spec)],
    paths: [
      ...vmPaths(spec),
      ...libraryPaths(program),
      { path: libkrun, rights: "library" },
      ...gpuPaths(spec),
      ...spec.shares.map(
        ({ path, readOnly }) => ({ path, rights: readOnly ? "share" : "writableShare" }) as const,
      ),
    ],
    devices: [{ path: "/dev/kvm", fd: KVM_FD }],
    sockets: vmSockets(spec),
    ...vmLimits(spec),
  };
}
