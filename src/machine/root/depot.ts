/**
 * Where a machine keeps what belongs to its containers: a directory of its storage disk, and a root without people's
 * commands in which the system's programs work there. Root of the machine can change all of it, as everything on its
 * own disks. So the disk is mounted there without following links, and what is found is not trusted.
 */
import { MountFlag, type RootRequest, type Step } from "../../guest/index.ts";
import { mountDisk } from "./layers.ts";
import { placesOf } from "./places.ts";

/** The root of the programs that care for images and containers' files. */
export const DEPOT_ROOT = "depot";

/** On the storage disk. */
const DIRECTORY = ".smolvm";

/** Paths of what belongs to containers, below a mounted storage disk. */
export interface DepotPaths {
  /** What everything else is in; only root sees into it. */
  readonly all: string;
  readonly images: string;
  readonly containers: string;
  /** What is being copied, one at a time. */
  readonly incoming: string;
  /** An image. @param id `sha256:<hex>` */
  image(id: string): string;
  /** What a container changes of its image. */
  changes(container: string): string;
}

/** @param storage where the storage disk is mounted */
export function depotPaths(storage: string): DepotPaths {
  const all = `${storage}/${DIRECTORY}`;
  const images = `${all}/images`;
  const containers = `${all}/containers`;
  return {
    ...{ all, images, containers },
    incoming: `${all}/incoming`,
    image: (id) => `${images}/${id.replace(/^sha256:/, "")}.erofs`,
    changes: (container) => `${containers}/${container}`,
  };
}

/** In the depot's root. */
export const depot: DepotPaths = depotPaths(placesOf(DEPOT_ROOT).storage);

/** Mounts the storage disk a second time: main root or depot have it by other flags. */
export function mountForContainers(device: string, path: string): Step[] {
  return mountDisk({ device, grow: false }, path, false).map((step) =>
    step.kind === "mount" ? { ...step, mountFlags: MountFlag.noSymlinks } : step,
  );
}

/** The depot's root: the system's own with the storage disk, which is why it has no `enter`. */
export function planDepot(storageDevice: string): RootRequest {
  return {
    name: DEPOT_ROOT,
    hostname: DEPOT_ROOT,
    steps: [
      ...mountForContainers(storageDevice, placesOf(DEPOT_ROOT).storage),
      { kind: "mkdir", path: depot.all, mode: 0o700 },
      { kind: "mkdir", path: depot.images, mode: 0o700 },
      { kind: "mkdir", path: depot.containers, mode: 0o700 },
    ],
  };
}
