import { type RootRequest, type Step, StepFlag } from "../../guest/index.ts";
import { makeDevices } from "./devices.ts";
import { attachEtc, writeEtc } from "./etc.ts";
import { attachRun, mountRun } from "./init-system.ts";
import { mountKernel } from "./kernel-mounts.ts";
import { pidsMax, reservedMemory } from "./limits.ts";
import { placesOf } from "./places.ts";

/**
 * The cgroup of a root's processes. Container engines make groups of their own beside it; with a process in
 * it, the root's own could not give its controllers to them. An init system starts in the root's own, and moves
 * itself: systemd would take a group below for the whole tree.
 */
const PROCESSES = "init";

/** What all roots for people's commands are made of, and what is different in each. */
export interface RootParts {
  /** As the agent knows it. */
  readonly name: string;
  readonly hostname: string;
  /** Whether the first process is an init system (`isInitSystem`). */
  readonly initSystem: boolean;
  /** Whether the first process has a terminal. */
  readonly terminal: boolean;
  readonly gpu: boolean;
  /** Of the virtual machine. */
  readonly memoryMib: number;
  /** Most processes and threads at once; null: what the memory suggests. */
  readonly pids: number | null;
  /** The image's VOLUME paths, absolute. */
  readonly volumes: readonly string[];
  /** Address of the resolver; undefined: there is no network. */
  readonly nameserver?: string | undefined;
  /** On the system's side: mounts the root filesystem at its place, and holds what is to be attached inside. */
  readonly outside: readonly Step[];
  /** Inside, after what every root has. */
  readonly inside: readonly Step[];
}

/**
 * What the guest's agent does to make a root. Everything that an image can influence comes behind `enter`: there no
 * link of the image leads anywhere but into the image.
 */
export function composeRoot(parts: RootParts): RootRequest {
  const { name, hostname, initSystem, memoryMib } = parts;
  const place = placesOf(name);
  return {
    name,
    hostname,
    steps: [
      ...parts.outside,
      ...writeEtc(hostname, parts.nameserver, place),
      ...(initSystem ? mountRun(place) : []),
      { kind: "enter", path: place.root },
      ...mountKernel(initSystem),
      ...makeDevices(parts),
      ...(initSystem ? attachRun() : []),
      ...attachEtc(),
      ...parts.inside,
      ...parts.volumes.map(makeVolume),
    ],
    cgroup: [`pids.max=${pidsMax(memoryMib, parts.pids)}`],
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
