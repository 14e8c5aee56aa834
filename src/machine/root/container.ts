import { MountFlag, type RootRequest, type Step, StepFlag } from "../../guest/index.ts";
import { composeRoot } from "./compose.ts";
import { depotPaths, mountForContainers } from "./depot.ts";
import { joinLayers, mountImage } from "./layers.ts";
import { firstFreeSlot, placesOf } from "./places.ts";

/** What the root of a container is made from. */
export interface ContainerRootInput {
  readonly id: string;
  /** `sha256:<hex>`; a copy of it is on the storage disk. */
  readonly imageId: string;
  /** The image's VOLUME paths, absolute. */
  readonly volumes: readonly string[];
  readonly binds: readonly ContainerBind[];
  /** Whether the first process is an init system (`isInitSystem`). */
  readonly initSystem: boolean;
  /** Of the machine. */
  readonly memoryMib: number;
  readonly pids: number | null;
  /** Address of the resolver; undefined: there is no network. */
  readonly nameserver?: string | undefined;
  /** Device of the storage disk. */
  readonly storage: string;
}

/** A directory of the storage disk that a container sees. */
export interface ContainerBind {
  /** Below the storage disk, without a leading slash; empty: all of it. */
  readonly source: string;
  /** Absolute, in the container. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** As many as there are slots for. */
export const MAX_BINDS = 10;

/** As the agent knows a container's root. @param id of the container */
export const containerRoot = (id: string): string => `ct-${id}`;

/**
 * What the guest's agent does to make a container's root: as the machine's, but that image and changes are on the
 * storage disk, of which the container itself sees only what is bound.
 */
export function planContainer(input: ContainerRootInput): RootRequest {
  const { id, imageId, binds, initSystem, memoryMib, nameserver, pids, volumes } = input;
  const name = containerRoot(id);
  const place = placesOf(name);
  const paths = depotPaths(place.storage);
  return composeRoot({
    ...{ name, initSystem, memoryMib, nameserver, pids, volumes },
    hostname: id,
    terminal: false,
    gpu: false,
    outside: [
      ...mountForContainers(input.storage, place.storage),
      mountImage(paths.image(imageId), place),
      ...joinLayers(paths.changes(id), place, false),
      ...binds.flatMap((bind, index) => holdBind(bind, index, place.storage)),
    ],
    inside: binds.map(attachBind),
  });
}

/** As docker does, makes a directory that is missing. */
function holdBind({ source }: ContainerBind, index: number, storage: string): Step[] {
  const path = source === "" ? storage : `${storage}/${source}`;
  return [
    { kind: "mkdir", path },
    { kind: "hold", path, slot: firstFreeSlot + index },
  ];
}

/** The flags are all that the mount has from then on: links are followed again, as on the machine's own mount. */
function attachBind({ target, readOnly }: ContainerBind, index: number): Step {
  return {
    kind: "attach",
    slot: firstFreeSlot + index,
    path: target,
    mountFlags: MountFlag.relativeAccessTimes | (readOnly ? MountFlag.readOnly : 0),
    flags: StepFlag.makeDirectory,
  };
}
