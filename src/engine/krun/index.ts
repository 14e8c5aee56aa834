import { SmolError } from "../../errors.ts";
import { COMMON_PARAMETERS, X86_CLOCK_PARAMETERS } from "../kernel-parameters.ts";
import { launchVm } from "../launch.ts";
import { checkSpec } from "../spec.ts";
import type { Engine } from "../types.ts";

const parameters: readonly string[] = [
  // Keyboard controller (x86) or PSCI (arm64): what libkrun listens to.
  "reboot=k",
  // libkrun does not implement asynchronous page faults.
  "no-kvmapf",
  ...COMMON_PARAMETERS,
  ...(process.arch === "x64" ? X86_CLOCK_PARAMETERS : []),
];

/**
 * x86 has interrupts 5 to 15 for virtio devices; balloon, random numbers, console, vsock and later the network
 * take five of them.
 */
const limits = { commandLineBytes: 2047, devices: process.arch === "x64" ? 6 : 24 };

/** Hardware virtualization by libkrun: KVM on Linux, Hypervisor.framework on macOS. */
export const krunEngine: Engine = {
  name: "krun",
  agentTransport: "vsock",
  launch(spec, options = {}) {
    if (options.libkrun === undefined) {
      throw new SmolError("engine.no_libkrun", "this build of smolvm has no libkrun", {
        hint: "use --engine qemu",
      });
    }
    const commandLine = [...parameters, ...spec.commandLine].join(" ");
    checkSpec(spec, commandLine, limits);
    return launchVm({ engine: "krun", libkrun: options.libkrun, commandLine, spec }, options);
  },
};
