/**
 * A machine's directory, `<data>/ephemeral/NAME/`: lock, record, disks, console log.
 *
 * The lock (flock) says whether the machine runs: it is held by the machine's process and by nobody else, and the
 * kernel releases it however that process ends. A directory appears under its name with its lock already held, so
 * one whose lock is free is left over from a power cut or a double kill -9, and may be removed by anybody.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { flock } from "../../ffi/libc.ts";
import type { Paths } from "../config/paths.ts";
import { errnoOf, SmolError } from "../errors.ts";
import { type MachineRecord, parseRecord } from "./record.ts";
import { removeSockets } from "./sockets.ts";

/** Names that start with a dot cannot be machines': directories on their way in or out. */
const INCOMING = ".new-";
const OUTGOING = ".old-";

export interface MachineDirectory {
  readonly name: string;
  readonly path: string;
  /** Open file that holds the lock. */
  readonly lock: number;
}

const parentOf = (paths: Paths) => `${paths.data}/ephemeral`;
const randomSuffix = () => crypto.getRandomValues(Buffer.alloc(6)).toString("hex");

/**
 * Makes the directory of a new machine, with its lock held.
 * @throws SmolError `machine.exists` when a machine of that name runs.
 */
export function createMachineDirectory(paths: Paths, name: string): MachineDirectory {
  const parent = parentOf(paths);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const path = `${parent}/${name}`;
  // Bounded: each round either succeeds or has seen another process win a race.
  for (let round = 0; round < 20; round++) {
    const fresh = `${parent}/${INCOMING}${randomSuffix()}`;
    mkdirSync(fresh, { mode: 0o700 });
    const lock = openSync(`${fresh}/lock`, "w", 0o600);
    try {
      flock(lock, "exclusive");
      renameSync(fresh, path);
      return { name, path, lock };
    } catch (error) {
      closeSync(lock);
      rmSync(fresh, { recursive: true, force: true });
      const code = errnoOf(error);
      // ENOENT: somebody swept the new directory before its lock was taken.
      if (code === "ENOENT") continue;
      if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
      if (!removeIfUnused(paths, name)) throw alreadyExists(name);
    }
  }
  throw alreadyExists(name);
}

function alreadyExists(name: string): SmolError {
  return new SmolError("machine.exists", `a machine named ${name} is already running`, {
    hint: "choose another --name, or none; `smolvm machine ls` shows what runs",
  });
}

/** Removes a machine's directory and sockets; the caller holds its lock. Idempotent. */
export function removeMachineDirectory(paths: Paths, name: string): void {
  removeSockets(paths, name);
  // Renamed first, so that nobody meets a half-removed directory under the machine's name.
  const outgoing = `${parentOf(paths)}/${OUTGOING}${randomSuffix()}`;
  try {
    renameSync(`${parentOf(paths)}/${name}`, outgoing);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  rmSync(outgoing, { recursive: true, force: true });
}

/**
 * Removes what a machine left behind unless its process still runs.
 * @returns false when the machine runs.
 */
export function removeIfUnused(paths: Paths, name: string): boolean {
  const path = `${parentOf(paths)}/${name}`;
  const lock = takeLock(path);
  if (lock === "held") return false;
  if (lock === "none") {
    // Never recursive: a machine of this name may appear at this very moment, and its directory is not empty.
    if (existsSync(path)) rmdirSync(path);
    return true;
  }
  try {
    removeMachineDirectory(paths, name);
  } finally {
    closeSync(lock);
  }
  return true;
}

/** Takes the lock of an existing directory without waiting and without making one. */
function takeLock(path: string): number | "held" | "none" {
  let lock: number;
  try {
    lock = openSync(`${path}/lock`, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "none";
    throw error;
  }
  if (flock(lock, "exclusive", false) && isCurrent(lock, `${path}/lock`)) return lock;
  closeSync(lock);
  return "held";
}

/** The directory may have been removed, and another put in its place, between the opening and the locking. */
function isCurrent(lock: number, path: string): boolean {
  const current = statSync(path, { throwIfNoEntry: false });
  return current !== undefined && current.ino === fstatSync(lock).ino;
}

/** Removes everything below `ephemeral/` that no process holds, including half-made and half-removed directories. */
export function sweepMachineDirectories(paths: Paths): void {
  for (const name of entriesOf(paths)) {
    if (!name.startsWith(".")) {
      removeIfUnused(paths, name);
      continue;
    }
    const path = `${parentOf(paths)}/${name}`;
    const lock = takeLock(path);
    if (lock === "held") continue;
    rmSync(path, { recursive: true, force: true });
    if (lock !== "none") closeSync(lock);
  }
}

function entriesOf(paths: Paths): string[] {
  try {
    return readdirSync(parentOf(paths));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}

/** The records of the machines that run now, by name. Has no side effect. */
export async function readRunningMachines(paths: Paths): Promise<MachineRecord[]> {
  const names = entriesOf(paths).filter((name) => !name.startsWith("."));
  const records = await Promise.all(names.sort().map((name) => readRunningMachine(paths, name)));
  return records.filter((record) => record !== undefined);
}

/** The record of a machine, or undefined when none of that name runs. */
export async function readRunningMachine(paths: Paths, name: string): Promise<MachineRecord | undefined> {
  const path = `${parentOf(paths)}/${name}`;
  if (!isLocked(`${path}/lock`)) return undefined;
  try {
    return parseRecord(await readFile(`${path}/machine.json`, "utf8"));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Looks with a shared lock, so that two who look at once do not take each other for the machine. */
function isLocked(path: string): boolean {
  let lock: number;
  try {
    lock = openSync(path, "r");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
  try {
    return !flock(lock, "shared", false);
  } finally {
    closeSync(lock);
  }
}

/** Replaces the record atomically. */
export async function writeRecord(directory: MachineDirectory, record: MachineRecord): Promise<void> {
  const temporary = `${directory.path}/machine.json.new`;
  await writeFile(temporary, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, `${directory.path}/machine.json`);
}
