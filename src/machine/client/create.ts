import type { Context } from "../../context.ts";
import { SmolError } from "../../errors.ts";
import { checkMachineName, type MachineRecord, type MachineSpec, newRecord } from "../model/index.ts";
import { createStopped, type Lock, requireRecord, takeOwnership, writeFirstRecord } from "../store/index.ts";
import type { SettleOptions } from "../volumes/index.ts";

export interface CreateOptions extends SettleOptions {
  /** A machine of that name and the same description is fine. */
  readonly ifNotExists?: boolean | undefined;
  /** It is this process's: without it, it is left over. */
  readonly owned?: boolean | undefined;
}

export interface Created {
  readonly record: MachineRecord;
  /** False: there was one like it before. */
  readonly created: boolean;
  /** Of one that is this process's: to be kept as long as it is. */
  readonly ownership?: Lock | undefined;
}

/**
 * Makes a machine that can be started; nothing is downloaded or booted.
 *
 * @throws SmolError `machine.exists`, `machine.differs`, `machine.bad_name`, `volume.*`
 */
export function createMachine(context: Context, asked: MachineSpec, options: CreateOptions = {}): Created {
  const { paths } = context;
  const spec = asked.volumes.length === 0 ? asked : settled(asked, options);
  const name = checkMachineName(spec.name);
  const record = newRecord(spec, Date.now());
  let ownership: Lock | undefined;
  const lock = createStopped(paths, name, (directory) => {
    writeFirstRecord(directory, record);
    ownership?.release();
    ownership = options.owned ? takeOwnership(directory) : undefined;
  });
  if (lock !== undefined) {
    lock.release();
    return { record, created: true, ownership };
  }
  ownership?.release();
  if (!options.ifNotExists) throw exists(name);
  const present = requireRecord(paths, name);
  const differences = differencesOf(present, record);
  if (differences.length === 0) return { record: present, created: false };
  throw new SmolError(
    "machine.differs",
    `machine '${name}' exists with another description: ${differences.join(", ")}`,
    {
      hint: `smolvm machine update --name ${name} changes it; smolvm machine inspect --name ${name} shows it`,
    },
  );
}

/** Every command that is about a machine loads this file, and few of them need that one. */
function settled(spec: MachineSpec, options: SettleOptions): MachineSpec {
  const { settleVolumes } = require("../volumes/sources.ts") as typeof import("../volumes/sources.ts");
  return settleVolumes(spec, options);
}

function exists(name: string): SmolError {
  return new SmolError("machine.exists", `machine '${name}' already exists`, {
    hint: `choose another name, or delete it first: smolvm machine delete --name ${name}`,
  });
}

/** What a machine becomes over time, rather than what it was asked to be. */
const HISTORY = ["version", "createdAt", "initialized", "imageId", "baseId"];

/** The settings that two machines differ in: `cpus (2, not 4)`. */
function differencesOf(present: MachineRecord, asked: MachineRecord): string[] {
  return Object.keys(asked)
    .filter((key) => !HISTORY.includes(key) && !Bun.deepEquals(present[key], asked[key], true))
    .map((key) => `${key} (${JSON.stringify(present[key])}, not ${JSON.stringify(asked[key])})`);
}
