import { existsSync } from "node:fs";
import type { DiskFormat, VmDisk } from "../engine/index.ts";
import { createDisk, inspectDisk, TEMPLATE_GIB } from "./disk.ts";
import type { StartOrder } from "./plan/index.ts";
import type { RootDisks, WritableDisk } from "./root/index.ts";

/** A machine's disks, and what the guest calls them. */
export interface MachineDisks {
  readonly list: readonly VmDisk[];
  /** The device of the guest's own system. */
  readonly system: string;
  readonly root: RootDisks;
  /** Devices that the guest has to format, and those that it has to check. */
  readonly blank: readonly string[];
  readonly damaged: readonly string[];
}

/** Makes the disks that are the machine's own, and lays out all of them. */
export function makeDisks(order: StartOrder, directory: string): MachineDisks {
  const { files, record } = order;
  const list: VmDisk[] = [];
  const add = (path: string, readOnly: boolean, format: DiskFormat = "raw") => {
    list.push({ path, readOnly, format });
    return `/dev/vd${"abcdefgh"[list.length - 1]}`;
  };
  const blank: string[] = [];
  const damaged: string[] = [];
  const writable = (name: "overlay" | "storage", gib: number, template: string): WritableDisk => {
    const path = `${directory}/${name}.ext4`;
    const state = existsSync(path)
      ? "formatted"
      : createDisk(path, gib, { path: template, gib: TEMPLATE_GIB[name] });
    const device = add(path, false);
    if (state === "blank") blank.push(device);
    const { damaged: isDamaged, grow } = inspectDisk(path);
    if (isDamaged) damaged.push(device);
    return { device, grow };
  };
  return {
    list,
    system: add(files.system, true),
    root: {
      image: add(files.image.path, true, files.image.format),
      overlay: writable("overlay", record.overlayGib, files.overlayTemplate),
      storage: writable("storage", record.storageGib, files.storageTemplate),
    },
    blank,
    damaged,
  };
}
