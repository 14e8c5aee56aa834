import { type RootRequest, type Step, StepFlag } from "../../guest/index.ts";
import { makeDevices } from "./devices.ts";
import { attachEtc, hostnameOf, writeEtc } from "./etc.ts";
import { attachRun, mountRun } from "./init-system.ts";
import { mountKernel } from "./kernel-mounts.ts";
import { mountLayers } from "./layers.ts";
import { pidsMax, reservedMemory } from "./limits.ts";
import { MAIN_ROOT, place } from "./places.ts";
import { setKernel } from "./settings.ts";
import { attachStorage, mountStorage } from "./storage.ts";
import type { RootInput } from "./types.ts";

/**
 * The cgroup of a machine's processes. Container engines make groups of their own beside it; with a process in
 * it, the root's own could not give its controllers to them. An init system starts in the root's own, and moves
 * itself: systemd would take a group below for the whole tree.
 */
const PROCESSES = "init";

/**
 * What the guest's agent does to make the machine's root. Everything that an image can influence comes behind
 * `enter`: there no link of the image leads anywhere but into the image.
 */
export function planRoot(input: RootInput): RootRequest {
  const { initSystem, memoryMib } = input;
  const hostname = hostnameOf(input.name);
  return {
    name: MAIN_ROOT,
    hostname,
    steps: [
      ...setKernel(memoryMib),
      ...mountLayers(input.disks, input.ephemeral, input.bare),
      ...mountStorage(input.disks.storage, input.ephemeral),
      ...writeEtc(hostname),
      ...(initSystem ? mountRun() : []),
      { kind: "enter", path: place.root },
      ...mountKernel(initSystem),
      ...makeDevices(input.terminal),
      ...(initSystem ? attachRun() : []),
      ...attachEtc(),
      ...attachStorage(input.bare),
      ...input.volumes.map(makeVolume),
    ],
    cgroup: [`pids.max=${pidsMax(memoryMib)}`],
    ...(initSystem ? {} : { home: PROCESSES }),
    reservedBytes: reservedMemory(memoryMib),
  };
}

/**
 * As WORKDIR: made where it is missing. What the image itself makes impossible is left to the program to
 * complain about.
 */
function makeVolume(path: string): Step {
  return { kind: "mkdir", path, mode: 0o755, flags: StepFlag.optional };
}
