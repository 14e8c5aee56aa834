/** A machine's own disks: made, kept, grown, copied. */
export { type ClonedDisk, type CloneOptions, type CloneProgress, cloneDisks } from "./clone.ts";
export { type DisksPlan, diskPath, type MachineDisks, makeDisks } from "./machine-disks.ts";
export {
  type DiskChange,
  type DiskName,
  type DiskSizes,
  diskNames,
  planResize,
  templateOf,
} from "./sizes.ts";
export { TEMPLATE_GIB } from "./template-sizes.ts";
