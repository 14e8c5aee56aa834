import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { type DiskChange, planResize } from "../disks/index.ts";
import { changeSpec } from "../model/build.ts";
import type { MachineRecord, MachineSpec, Removals, SpecLayer } from "../model/index.ts";
import { planNetwork } from "../plan/index.ts";
import { type Claim, claimMachine, writeRecord } from "../store/index.ts";
import { type SettleOptions, settleVolumes } from "../volumes/index.ts";
import { connectMachine } from "./connect.ts";
import { namingHolder } from "./port-conflict.ts";
import { refuseUnapplied, removeWorkspace, workspacesOf } from "./workspaces.ts";

/** One setting before and after. */
export interface SettingChange {
  readonly setting: keyof MachineSpec;
  readonly before: unknown;
  readonly after: unknown;
}

/**
 * Changes settings of a machine that does not run; they hold from its next start on. Of one that runs, its policy and its
 * published ports are changed at once, and nothing else; settings that it has already are no change.
 *
 * @param options of the volumes that are added
 * @returns what is different now; nothing when all was like that before
 * @throws SmolError `machine.not_found`, `machine.running`, `machine.bad_setting`, `machine.disk_shrink`,
 * `workspace.has_changes`: then nothing is changed
 */
export async function updateMachine(
  context: Context,
  name: string,
  changes: SpecLayer,
  removals: Removals = {},
  options: SettleOptions = {},
): Promise<readonly SettingChange[]> {
  const claim = await claimMachine(context.paths, name);
  try {
    const { record } = claim;
    const added =
      changes.volumes === undefined
        ? changes
        : { ...changes, ...settleVolumes({ volumes: [...changes.volumes] }, options) };
    const changed = changeSpec(record, added, removals);
    planResize(record, changed);
    const { paths } = context;
    const kept = new Set(workspacesOf(paths, name, changed.volumes).map(({ directory }) => directory));
    const gone = workspacesOf(paths, name, record.volumes).filter(({ directory }) => !kept.has(directory));
    await refuseUnapplied(name, gone);
    const settings = Object.keys(changed) as (keyof MachineSpec)[];
    const different = settings.filter((key) => !Bun.deepEquals(record[key], changed[key], true));
    if (different.length > 0 && claim.isRunning()) await changeRunning(context, record, changed, different);
    if (different.length > 0) writeRecord(context.paths, { ...record, ...changed });
    for (const workspace of gone) removeWorkspace(workspace);
    return different.map((setting) => ({ setting, before: record[setting], after: changed[setting] }));
  } finally {
    claim.release();
  }
}

/**
 * What may be changed while a machine runs is its policy, and the ports that lead into it: its process decides about
 * both.
 */
async function changeRunning(
  context: Context,
  record: MachineRecord,
  changed: MachineSpec,
  different: readonly (keyof MachineSpec)[],
): Promise<void> {
  const live = different.every((key) => key === "network" || key === "ports");
  if (!live || !keepsCard(record, changed)) throw running(record.name);
  const machine = await connectMachine(context, record.name);
  try {
    await machine.ask("network", { network: changed.network, ports: changed.ports });
  } catch (error) {
    throw namingHolder(context, record.name, changed.ports, error);
  } finally {
    machine.close();
  }
}

/** A card, what names it knows and the variables of its programs are made at a start. */
function keepsCard(record: MachineRecord, changed: MachineSpec): boolean {
  const [before, after] = [planNetwork(record), planNetwork(changed)];
  if (before === null || after === null) return false;
  return (
    Bun.deepEquals(
      [before.servers, before.names, before.join],
      [after.servers, after.names, after.join],
      true,
    ) && (record.network?.proxyEnv ?? false) === (changed.network?.proxyEnv ?? false)
  );
}

const running = (name: string) =>
  new SmolError("machine.running", `invalid vm state: machine '${name}' is running, expected stopped`, {
    hint: `smolvm machine stop --name ${name}`,
  });

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
    if (claim.isRunning()) throw running(name);
    return change(claim);
  } finally {
    claim.release();
  }
}
