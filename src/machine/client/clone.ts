import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import type { Paths } from "../../config/paths.ts";
import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { type ClonedDisk, type CloneOptions, cloneDisks } from "../disks/index.ts";
import { checkMachineName, type MachineRecord } from "../model/index.ts";
import {
  claimMachine,
  copyContainers,
  DirectoryDraft,
  dataDirectory,
  dataIn,
  isTaken,
  sweepHidden,
  writeFirstRecord,
} from "../store/index.ts";
import { pinImageOf } from "./keep-image.ts";
import { workspacesOf } from "./workspaces.ts";

export interface Cloned {
  readonly record: MachineRecord;
  readonly disks: readonly ClonedDisk[];
}

/**
 * Makes a machine that is like another one that does not run, with the same files. Whole or not at all.
 *
 * @throws SmolError `machine.not_found`, `machine.exists`, `machine.running`, `disk.*`; the signal's reason
 */
export async function cloneMachine(
  context: Context,
  from: string,
  to: string,
  options: CloneOptions = {},
): Promise<Cloned> {
  const { paths } = context;
  const name = checkMachineName(to);
  if (isTaken(paths, name)) throw exists(name);
  const claim = await claimMachine(paths, from, options.signal);
  try {
    if (claim.isRunning()) {
      throw new SmolError(
        "machine.running",
        `machine '${from}' is running, and its disks change under a copy`,
        {
          hint: `smolvm machine stop --name ${from}`,
        },
      );
    }
    const record = { ...claim.record, name, createdAt: Date.now() };
    // A copy that was killed may have the room that this one needs.
    sweepHidden(paths);
    const draft = new DirectoryDraft(paths);
    const disks = await copyInto(draft, record, async () => {
      copyContainers(paths, from, draft.path, record.createdAt);
      await copyWorkspaces(paths, from, record, draft.path);
      return await cloneDisks(dataDirectory(paths, from), dataIn(draft.path), options);
    });
    const pin = await pinIfThere(paths, record, draft);
    try {
      const lock = draft.publish(name, "change.lock");
      if (lock === undefined) throw exists(name);
      lock.release();
    } finally {
      pin?.release();
    }
    return { record, disks };
  } finally {
    claim.release();
  }
}

async function copyInto(
  draft: DirectoryDraft,
  record: MachineRecord,
  copy: () => Promise<readonly ClonedDisk[]>,
): Promise<readonly ClonedDisk[]> {
  try {
    writeFirstRecord(draft.path, record);
    mkdirSync(dataIn(draft.path), { mode: 0o700 });
    return await copy();
  } catch (error) {
    draft.discard();
    throw error;
  }
}

/** What the guest has changed is the copy's too; each of them can apply it, and then it is a conflict for the other. */
async function copyWorkspaces(paths: Paths, from: string, record: MachineRecord, to: string): Promise<void> {
  const all = workspacesOf(paths, from, record.volumes);
  if (all.length === 0) return;
  const { copyWorkspace, hasWorkspace } = await import("../../workspace/index.ts");
  for (const workspace of all) {
    const name = basename(workspace.directory);
    if (hasWorkspace(workspace.directory)) copyWorkspace(workspace, `${to}/workspaces/${name}`);
  }
}

/** The copy needs the same image. Where that is gone, both machines say so when they are started. */
async function pinIfThere(paths: Paths, record: MachineRecord, draft: DirectoryDraft) {
  try {
    return await pinImageOf(paths, record);
  } catch (error) {
    if (error instanceof SmolError && error.code === "image.removed") return undefined;
    draft.discard();
    throw error;
  }
}

const exists = (name: string): SmolError =>
  new SmolError("machine.exists", `machine '${name}' already exists`, { hint: "choose another name" });
