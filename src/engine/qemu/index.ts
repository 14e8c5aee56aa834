import { SmolError } from "../../errors.ts";
import { launchVm } from "../launch.ts";
import { checkSpec } from "../spec.ts";
import type { Engine, VmSpec } from "../types.ts";
import { kernelParameters, qemuArguments, qemuMachine } from "./arguments.ts";
import { findQemu, qemuName } from "./binary.ts";
import { emulatedClockParameters } from "./clock.ts";

/** Software emulation by the host's QEMU: works everywhere, at a fraction of the speed. */
export const qemuEngine: Engine = {
  name: "qemu",
  agentTransport: "virtio-serial",
  room: qemuMachine()?.limits.devices ?? 0,
  launch(spec, options = {}) {
    const command = qemuCommand(spec);
    return launchVm({ engine: "qemu", command }, options);
  },
};

/** The whole command of this VM; everything that can be checked before is checked. */
function qemuCommand(spec: VmSpec): [string, ...string[]] {
  const machine = qemuMachine();
  if (machine === undefined) {
    throw new SmolError("engine.unsupported_host", `the qemu engine does not know ${process.arch} machines`);
  }
  if (spec.shares.length > 0) {
    throw new SmolError("engine.no_shares", "the qemu engine has no shared folders");
  }
  const clock = process.arch === "x64" ? emulatedClockParameters() : [];
  const commandLine = kernelParameters([...machine.parameters, ...clock], spec.commandLine).join(" ");
  checkSpec(spec, commandLine, machine.limits);
  const binary = findQemu(process.env);
  if (binary === undefined) {
    throw new SmolError("engine.qemu_missing", `${qemuName()} is not in PATH`, {
      hint: "`smolvm doctor` says how to install it",
    });
  }
  return [binary.path, ...qemuArguments(spec, machine.machineArguments, commandLine)];
}
