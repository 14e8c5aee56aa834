import type { ConfinedProgram } from "../../confine/index.ts";
import { SmolError } from "../../errors.ts";
import { launchVm } from "../launch.ts";
import {
  AGENT_FD,
  CARD_FD,
  gpuEnvironment,
  gpuPaths,
  libraryPaths,
  prefixOf,
  vmLimits,
  vmPaths,
  vmSockets,
} from "../program.ts";
import { checkSpec } from "../spec.ts";
import type { Engine, VmSpec } from "../types.ts";
import { type Channels, kernelParameters, qemuArguments, qemuMachine } from "./arguments.ts";
import { findQemu, qemuName } from "./binary.ts";
import { emulatedClockParameters } from "./clock.ts";

/** Software emulation by the host's QEMU: works everywhere, at a fraction of the speed. */
export const qemuEngine: Engine = {
  name: "qemu",
  agentTransport: "virtio-serial",
  room: qemuMachine()?.limits.devices ?? 0,
  launch(spec, options = {}) {
    const { program, machine, commandLine } = checkedMachine(spec);
    const channels = { agent: spec.agentSocket, card: spec.card?.socket ?? "" };
    const command = (found: Channels): [string, ...string[]] => [
      program,
      ...qemuArguments(spec, machine, commandLine, found),
    ];
    const order = { engine: "qemu", command: command(channels) } as const;
    return launchVm(order, options, () => confinedQemu(spec, command({ agent: AGENT_FD, card: CARD_FD })));
  },
};

function confinedQemu(spec: VmSpec, command: [string, ...string[]]): ConfinedProgram {
  const [program] = command;
  const data = [`${prefixOf(program)}/share`, "/usr/share", "/usr/local/share"];
  const firmware = data.flatMap((path) => [`${path}/qemu`, `${path}/seabios`, `${path}/qemu-firmware`]);
  return {
    profile: spec.gpu?.renderNode ? "qemu-gpu" : "qemu",
    command,
    environment: ["LC_ALL=C", ...gpuEnvironment(spec)],
    paths: [
      ...vmPaths(spec),
      ...libraryPaths(program),
      ...gpuPaths(spec),
      ...firmware.map((path) => ({ path, rights: "library", optional: true }) as const),
    ],
    sockets: vmSockets(spec),
    ...vmLimits(spec),
  };
}

/** The program and its machine; everything that can be checked before is checked. */
function checkedMachine(spec: VmSpec) {
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
  return { program: binary.path, machine: machine.machineArguments, commandLine };
}
