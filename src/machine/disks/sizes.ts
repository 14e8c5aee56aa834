import type { AssetName } from "../../assets/types.ts";
import { SmolError } from "../../errors.ts";
import { TEMPLATE_GIB } from "./template-sizes.ts";

export const GIB = 1024 ** 3;

/** The disks that are a machine's own; `<name>.ext4` in its directory. */
export const diskNames = ["overlay", "storage"] as const;
export type DiskName = (typeof diskNames)[number];

/** Sizes in GiB, as in the machine's specification. */
export interface DiskSizes {
  readonly overlayGib: number;
  readonly storageGib: number;
}

/**
 * Which template a disk is a copy of. The guest grows the filesystem to the disk; it never shrinks one, so a disk below
 * its own template's size begins with the smallest one, which is below everything that can be asked for.
 */
export function templateOf(name: DiskName, gib: number): keyof typeof TEMPLATE_GIB & AssetName {
  return gib >= TEMPLATE_GIB[name] ? name : "small";
}

/** One disk's part of a resize. */
export interface DiskChange {
  readonly name: DiskName;
  readonly fromGib: number;
  readonly toGib: number;
}

/**
 * What a resize changes: the record is all that has to be written, disk and filesystem grow at the next start.
 *
 * @param wanted what is left out stays
 * @returns the disks that grow; none when they have these sizes already
 * @throws SmolError `machine.disk_shrink`
 */
export function planResize(now: DiskSizes, wanted: Partial<DiskSizes>): DiskChange[] {
  return diskNames.flatMap((name) => {
    const fromGib = now[`${name}Gib`];
    const toGib = wanted[`${name}Gib`] ?? fromGib;
    if (toGib < fromGib) throw shrinks(name, fromGib, toGib);
    return toGib === fromGib ? [] : [{ name, fromGib, toGib }];
  });
}

export function shrinks(name: DiskName, fromGib: number, toGib: number): SmolError {
  return new SmolError(
    "machine.disk_shrink",
    `${name} disk cannot be shrunk from ${fromGib} GiB to ${toGib} GiB. Only expanding is supported to prevent data loss.`,
    { hint: `give ${fromGib} GiB or a larger size; a smaller disk takes a new machine` },
  );
}
