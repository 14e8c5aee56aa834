import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { type DiskChange, planResize } from "../disks/index.ts";
import { changeSpec } from "../model/build.ts";
import type { MachineRecord, MachineSpec, Removals, SpecLayer } from "../model/index.ts";
import { type Claim, claimMachine, writeRecord } from "../store/index.ts";

/** One setting before and after. */
export interface SettingChange {
  readonly setting: keyof MachineSpec;
  readonly before: unknown;
  readonly after: unknown;
}

/**
 * Changes settings of a machine that does not run; they hold from its next start on.
 *
 * @returns what is different now; nothing when all was like that before
 * @throws SmolError `machine.not_found`, `machine.running`, `machine.bad_setting`, `machine.disk_shrink`: then nothing
 * is changed
 */
export async function updateMachine(
  context: Context,
  name: string,
  changes: SpecLayer,
  removals: Removals = {},
): Promise<readonly SettingChange[]> {
  return await withStopped(context, name, ({ record }) => {
    const changed = changeSpec(record, changes, removals);
    planResize(record, changed);
    const settings = Object.keys(changed) as (keyof MachineSpec)[];
    const different = settings.filter((key) => !Bun.deepEquals(record[key], changed[key], true));
    if (different.length > 0) writeRecord(context.paths, { ...record, ...changed });
    return different.map((setting) => ({ setting, before: record[setting], after: changed[setting] }));
  });
}

/**
 * Makes disks of a machine that does not run larger; its filesystems grow at its next start.
 *
 * @param wanted GiB; what is left out stays
 * @returns the disks that grow
 * @throws SmolError as `updateMachine`
 */
export async function resizeMachine(
  context: Context,
  name: string,
  wanted: { readonly overlayGib?: number | undefined; readonly storageGib?: number | undefined },
): Promise<readonly DiskChange[]> {
  return await withStopped(context, name, ({ record }) => {
    const { overlayGib = record.overlayGib, storageGib = record.storageGib } = wanted;
    const changes = planResize(record, { overlayGib, storageGib });
    const sizes = Object.fromEntries(changes.map((change) => [`${change.name}Gib`, change.toGib]));
    if (changes.length > 0) writeRecord(context.paths, { ...record, ...sizes } as MachineRecord);
    return changes;
  });
}

async function withStopped<T>(context: Context, name: string, change: (claim: Claim) => T): Promise<T> {
  const claim = await claimMachine(context.paths, name);
  try {
    if (claim.isRunning()) {
      throw new SmolError(
        "machine.running",
        `invalid vm state: machine '${name}' is running, expected stopped`,
        {
          hint: `smolvm machine stop --name ${name}`,
        },
      );
    }
    return change(claim);
  } finally {
    claim.release();
  }
}
