import type { MachineSpec } from "./spec.ts";

/** How many things are mounted in a machine beside its disks: volumes and filesystems in memory. */
export const mountCount = ({ volumes, tmpfs }: Pick<MachineSpec, "volumes" | "tmpfs">): number =>
  volumes.length + tmpfs.length;
