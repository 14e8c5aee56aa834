import type { Paths } from "../../config/paths.ts";
import { SmolError } from "../../errors.ts";
import { untilLocked } from "../../host/index.ts";
import { type MachineRecord, notFound, type ReadRecord } from "../model/index.ts";
import {
  checkEntryName,
  isRunning,
  isTaken,
  type Lock,
  machineDirectory,
  removeLeftover,
  tryLockForChange,
} from "./directory.ts";
import { readRecord } from "./files.ts";
import { lostItsOwner } from "./owned.ts";

/** How long another command may take with a machine: a start pulls its image first. */
const CHANGE_LIMIT_MS = 600_000;

/** A machine that nobody else starts, changes or deletes for now. */
export interface Claim {
  readonly name: string;
  readonly record: MachineRecord;
  /** Whether its process runs; it does not begin to while this is held, but may end. */
  isRunning(): boolean;
  release(): void;
}

/**
 * Waits until no other command changes the machine, and keeps others from doing so.
 *
 * @throws SmolError `machine.not_found`, `machine.busy` after ten minutes, `machine.newer`, `machine.damaged`; the
 * signal's reason
 */
export async function claimMachine(paths: Paths, name: string, signal?: AbortSignal): Promise<Claim> {
  const lock = await lockForChange(paths, name, signal);
  try {
    return {
      name,
      record: requireRecord(paths, name),
      isRunning: () => isRunning(paths, name),
      release: () => lock.release(),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** As `claimMachine`, without its record, which may be damaged or of a later version: to remove it. */
export async function lockForChange(paths: Paths, name: string, signal?: AbortSignal): Promise<Lock> {
  checkEntryName(paths, name);
  // Of one that nobody sees, there is nothing to change.
  if (lostItsOwner(machineDirectory(paths, name)) && removeLeftover(paths, name)) throw notFound(name);
  const limit = AbortSignal.timeout(CHANGE_LIMIT_MS);
  const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  try {
    return await untilLocked(() => {
      const lock = tryLockForChange(paths, name);
      if (lock === "none") throw notFound(name);
      return lock === "held" ? undefined : lock;
    }, either);
  } catch (error) {
    if (!limit.aborted || signal?.aborted) throw error;
    throw new SmolError(
      "machine.busy",
      `another command has been working on machine ${name} for ten minutes`,
    );
  }
}

/** @throws SmolError `machine.not_found`, `machine.newer`, `machine.damaged` */
export function requireRecord(paths: Paths, name: string): MachineRecord {
  checkEntryName(paths, name);
  const read = readRecord(paths, name) ?? noRecord(paths, name);
  if (read.kind === "record") return read.record;
  if (read.kind === "newer") {
    throw new SmolError(
      "machine.newer",
      `machine ${name} was made by a later smolvm (record ${read.version})`,
      {
        hint: "use that version, or a later one; this one can only list and delete it",
      },
    );
  }
  throw new SmolError("machine.damaged", `the record of machine ${name} is damaged: ${read.reason}`, {
    hint: `smolvm machine delete --name ${name} removes it with its disks; \`smolvm machine data-dir\` tells where they are`,
  });
}

/** @throws SmolError `machine.not_found` when there is nothing of that name at all */
function noRecord(paths: Paths, name: string): ReadRecord {
  if (isTaken(paths, name)) return { kind: "damaged", reason: "there is none" };
  throw notFound(name);
}
