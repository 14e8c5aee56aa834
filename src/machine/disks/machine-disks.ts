import type { DiskFormat, VmDisk } from "../../engine/index.ts";
import type { RootDisks, WritableDisk } from "../root/index.ts";
import { createDisk, keepDisk, type NewDisk } from "./make.ts";
import { type DiskName, type DiskSizes, diskNames } from "./sizes.ts";
import { type DiskState, inspectDisk } from "./superblock.ts";

/** What the disks of a machine are made from: part of its plan. */
export interface DisksPlan {
  readonly files: {
    /** Root of the guest's own system. */
    readonly system: string;
    readonly image: { readonly path: string; readonly format: DiskFormat };
    /** Formatted disks that are not larger than those that they are templates for. */
    readonly overlayTemplate: string;
    readonly storageTemplate: string;
  };
  readonly record: DiskSizes & {
    /** The disks are thrown away with the machine; else those that are there are kept. */
    readonly ephemeral: boolean;
  };
}

/** A machine's disks, and what the guest calls them. */
export interface MachineDisks {
  readonly list: readonly VmDisk[];
  /** The device of the guest's own system. */
  readonly system: string;
  readonly root: RootDisks;
  /** Devices that the guest has to check before it uses them. */
  readonly damaged: readonly string[];
  /** Disks that were made now: at a first start both, later those that somebody has removed. */
  readonly made: readonly DiskName[];
  /** What the user should know about them, one sentence each. */
  readonly notes: readonly string[];
}

/**
 * Makes the disks that are the machine's own unless they are there, and lays out all of them. The caller holds the
 * machine's lock.
 *
 * @param directory where the machine's disks are
 * @throws SmolError `machine.disk_shrink`, `disk.no_space`, `disk.unusable`
 */
export async function makeDisks(plan: DisksPlan, directory: string): Promise<MachineDisks> {
  const { files, record } = plan;
  const wanted = diskNames.map((name): NewDisk => {
    const path = diskPath(directory, name);
    return { name, path, gib: record[`${name}Gib`], template: files[`${name}Template`] };
  });
  const made: DiskName[] = [];
  if (record.ephemeral) {
    for (const disk of wanted) createDisk(disk);
  } else {
    const kept = await Promise.all(
      wanted.map(async (disk) => ({ name: disk.name, made: await keepDisk(disk) })),
    );
    made.push(...kept.filter((disk) => disk.made).map(({ name }) => name));
  }

  const list: VmDisk[] = [];
  const add = (path: string, readOnly: boolean, format: DiskFormat = "raw") => {
    list.push({ path, readOnly, format });
    return `/dev/vd${"abcdefgh"[list.length - 1]}`;
  };
  const damaged: string[] = [];
  const states: DiskState[] = [];
  const writable = (name: DiskName): WritableDisk => {
    const path = diskPath(directory, name);
    const device = add(path, false);
    const state = inspectDisk(path);
    states.push(state);
    if (state.damaged) damaged.push(device);
    return { device, grow: state.grow };
  };
  // The machine's own first: scripts look for the storage disk as /dev/vda.
  const storage = writable("storage");
  const overlay = writable("overlay");
  return {
    list,
    system: add(files.system, true),
    root: { image: add(files.image.path, true, files.image.format), overlay, storage },
    damaged,
    made,
    notes: states.some(({ unclean }) => unclean) ? [UNCLEAN] : [],
  };
}

const UNCLEAN =
  "the machine did not end in order the last time; its filesystems are recovered from their journals";

/** Where a disk is in its machine's directory. */
export function diskPath(directory: string, name: DiskName): string {
  return `${directory}/${name}.ext4`;
}
