import type { ConfinedProgram } from "../../confine/index.ts";
import { SmolError } from "../../errors.ts";
import { launchConnectedVm, launchVm, prepareVm } from "../launch.ts";
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
import type { Engine, LaunchOptions, Templates, VmProgram, VmSpec } from "../types.ts";
import { type Channels, kernelParameters, qemuArguments, qemuMachine } from "./arguments.ts";
import { findQemu, qemuName } from "./binary.ts";
import { emulatedClockParameters } from "./clock.ts";
import {
  type Extras,
  type MonitoredVm,
  NO_EXTRAS,
  restoreExtras,
  restoreVm,
  saveableVm,
  saveExtras,
  shapeOf,
} from "./template/index.ts";

const templates: Templates = {
  shapeOf: (spec) => shapeOf(spec, checkedMachine(spec)),
  prepareBoot: (spec, options) => prepareVm(options, confinedQemu(spec, checkedMachine(spec))),
  restore: (spec, from, options) =>
    restoreVm(from, () => launchMonitored("VM of a template", spec, restoreExtras(spec, from), options)),
  launchSaveable: (spec, to, options) =>
    saveableVm(launchMonitored("VM to be saved", spec, saveExtras(spec, to), options), to),
};

/** Software emulation by the host's QEMU: works everywhere, at a fraction of the speed. */
export const qemuEngine: Engine = {
  name: "qemu",
  agentTransport: "virtio-serial",
  room: qemuMachine()?.limits.devices ?? 0,
  templates,
  launch(spec, options = {}) {
    const checked = checkedMachine(spec);
    const channels = { agent: spec.agentSocket, card: spec.card?.socket ?? "" };
    const order = { engine: "qemu", command: commandOf(spec, checked, channels) } as const;
    return launchVm(order, options, confinedQemu(spec, checked));
  },
};

function launchMonitored(kind: string, spec: VmSpec, extras: Extras, options: LaunchOptions): MonitoredVm {
  const { confine } = options;
  if (confine === undefined)
    throw new SmolError("engine.template_failed", "without a launcher there are no templates");
  return launchConnectedVm(kind, confine, options, confinedQemu(spec, checkedMachine(spec), extras));
}

function commandOf(
  spec: VmSpec,
  { program, machine, commandLine }: CheckedMachine,
  channels: Channels,
): [string, ...string[]] {
  return [program, ...qemuArguments(spec, machine, commandLine, channels)];
}

function confinedQemu(spec: VmSpec, checked: CheckedMachine, extras = NO_EXTRAS): VmProgram {
  const { program } = checked;
  const data = [`${prefixOf(program)}/share`, "/usr/share", "/usr/local/share"];
  const firmware = data.flatMap((path) => [`${path}/qemu`, `${path}/seabios`, `${path}/qemu-firmware`]);
  return (): ConfinedProgram => {
    const { fileBytes, ...limits } = vmLimits(spec);
    return {
      profile: spec.gpu?.renderNode ? "qemu-gpu" : "qemu",
      command: [...commandOf(spec, checked, { agent: AGENT_FD, card: CARD_FD }), ...extras.arguments],
      environment: ["LC_ALL=C", ...gpuEnvironment(spec), ...extras.environment],
      paths: [
        ...vmPaths(spec),
        ...libraryPaths(program),
        ...gpuPaths(spec),
        ...extras.paths,
        ...firmware.map((path) => ({ path, rights: "library", optional: true }) as const),
      ],
      sockets: vmSockets(spec),
      descriptors: extras.descriptors,
      ...limits,
      fileBytes: Math.max(fileBytes, extras.fileBytes),
    };
  };
}

type CheckedMachine = ReturnType<typeof checkedMachine>;

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
  const { path: program, stamp } = binary;
  return { program, stamp, machine: machine.machineArguments, commandLine };
}
