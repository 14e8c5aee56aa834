/** VMs of QEMU that are saved, and VMs that go on from there (docs/design/boot.md). */
import { closeSync, openSync } from "node:fs";
import type { AllowedPath } from "../../../confine/index.ts";
import { messageOf, SmolError } from "../../../errors.ts";
import { MONITOR_FD } from "../../program.ts";
import type { Restore, RunningVm, SaveableVm, SavePlace, VmSpec } from "../../types.ts";
import { Monitor } from "./monitor.ts";

export { shapeOf } from "./shape.ts";

const MIB = 1024 * 1024;

/** A VM's process, and this process's end of its monitor. */
export interface MonitoredVm {
  readonly vm: RunningVm;
  readonly connection: number;
}

/** What QEMU has for such a VM beside what it has for each. */
export interface Extras {
  readonly arguments: readonly string[];
  readonly environment: readonly string[];
  readonly paths: readonly AllowedPath[];
  readonly descriptors: readonly number[];
  /** The largest file that it writes. */
  readonly fileBytes: number;
}

export const NO_EXTRAS: Extras = {
  ...{ arguments: [], environment: [], paths: [], descriptors: [], fileBytes: 0 },
};

export function restoreExtras(spec: VmSpec, { memory, library }: Restore): Extras {
  return {
    // The name is the library's (launcher/qemu/memory.c): without that QEMU finds no such file, and ends.
    arguments: [...memoryArguments(spec, `template:${memory}`, false), "-incoming", "defer"],
    environment: [`LD_PRELOAD=${library}`],
    paths: [
      { path: memory, rights: "read" },
      { path: library, rights: "execute" },
    ],
    descriptors: [MONITOR_FD],
    fileBytes: 0,
  };
}

export function saveExtras(spec: VmSpec, { memory }: SavePlace): Extras {
  return {
    arguments: memoryArguments(spec, memory, true),
    environment: [],
    paths: [{ path: memory, rights: "write" }],
    descriptors: [MONITOR_FD],
    fileBytes: spec.memoryMib * MIB,
  };
}

function memoryArguments({ memoryMib }: VmSpec, path: string, share: boolean): string[] {
  const object = {
    ...{ "qom-type": "memory-backend-file", id: "memory", "mem-path": path, share },
    // It begins where a large page does, as it would without a file.
    ...{ size: memoryMib * MIB, align: 2 * MIB },
  };
  return [
    ...["-object", JSON.stringify(object), "-machine", "memory-backend=memory"],
    ...["-chardev", `socket,id=monitor,fd=${MONITOR_FD}`, "-mon", "chardev=monitor,mode=control"],
  ];
}

/**
 * Starts a VM that takes over the devices of another.
 *
 * @param launch starts its process
 * @throws Error when the file of the devices cannot be opened: at once, since this process may not do so later
 */
export function restoreVm({ devices, vmm }: Restore, launch: () => MonitoredVm): RunningVm {
  const file = openSync(devices, "r");
  const { vm, connection } = closingOnFailure(file, launch);
  const monitor = new Monitor(connection);
  let reason: unknown;
  const restoring = restore(monitor, file, vmm)
    .catch((error) => {
      reason = error;
      vm.kill();
    })
    .finally(() => {
      monitor.close();
      closeSync(file);
    });
  // When it has ended by itself its monitor hears of it, too.
  const exited = vm.exited.then(async (exit) => {
    monitor.close();
    await restoring;
    return { ...exit, error: exit.error ?? failureOf(reason) };
  });
  return {
    get pid() {
      return vm.pid;
    },
    exited,
    kill: vm.kill,
  };
}

async function restore(monitor: Monitor, file: number, vmm: string): Promise<void> {
  if ((await monitor.vmm) !== vmm)
    throw new SmolError("engine.template_failed", "another QEMU has saved the template");
  await monitor.restore(file);
}

function closingOnFailure<T>(file: number, launch: () => T): T {
  try {
    return launch();
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

export function saveableVm({ vm, connection }: MonitoredVm, { devices }: SavePlace): SaveableVm {
  const monitor = new Monitor(connection);
  void vm.exited.then(() => monitor.close());
  return {
    get pid() {
      return vm.pid;
    },
    exited: vm.exited,
    kill: vm.kill,
    async save() {
      const file = openSync(devices, "w");
      try {
        await monitor.save(file);
      } finally {
        closeSync(file);
      }
      return await monitor.vmm;
    },
  };
}

function failureOf(reason: unknown): SmolError | null {
  if (reason === undefined || reason instanceof SmolError) return reason ?? null;
  return new SmolError("engine.template_failed", messageOf(reason), { cause: reason });
}
