/**
 * A machine's directory, `<data>/machines/NAME/`: locks, record, state, disks, logs.
 *
 * Two locks (flock, so that the kernel releases them however their holder ends) say who does what with it:
 *
 *     lock          held by the machine's process: a machine runs exactly when its lock is held
 *     change.lock   held by whoever starts, changes or deletes the machine, for as long as that takes
 *
 * A directory appears complete under its name and vanishes from there in one step, both by rename(2). A throw-away
 * machine's directory appears with its lock held: one whose lock is free is left over, and anybody may remove it. So is
 * one of a machine whose owner has gone (owned.ts).
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
} from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import type { Paths } from "../../config/paths.ts";
import type { Removal } from "../../confine/index.ts";
import { errnoOf } from "../../errors.ts";
import { namesIn } from "../../host/index.ts";
import { checkMachineName, isMachineName } from "../model/index.ts";
import { removeExposed } from "./exposed.ts";
import { writing } from "./failure.ts";
import { sweepNamedNetworks } from "./named-networks.ts";
import { lostItsOwner } from "./owned.ts";
import { removeSockets } from "./sockets.ts";
import { syncPath } from "./sync.ts";

/** Names that start with a dot cannot be machines': directories on their way in or out. */
const INCOMING = ".new-";
const OUTGOING = ".old-";

const LOCK = "lock" as const;
const CHANGE_LOCK = "change.lock" as const;

/** A lock that is held until it is released, or this process ends. */
export interface Lock {
  release(): void;
}

export const machinesDirectory = (paths: Paths): string => `${paths.data}/machines`;
export const machineDirectory = (paths: Paths, name: string): string => `${machinesDirectory(paths)}/${name}`;

const randomSuffix = () => crypto.getRandomValues(Buffer.alloc(6)).toString("hex");

/** Bounded: each round either succeeds or has seen another process win a race. */
const MAX_ROUNDS = 20;

/** A directory that nobody sees until it is published under a machine's name. Its change lock is held. */
export class DirectoryDraft {
  readonly path: string;
  readonly #paths: Paths;
  readonly #locks: Readonly<Record<typeof LOCK | typeof CHANGE_LOCK, number>>;

  /** @throws SmolError `machine.no_space`, `machine.unwritable` */
  constructor(paths: Paths) {
    this.#paths = paths;
    const { path, fd } = writing(machinesDirectory(paths), () => {
      mkdirSync(machinesDirectory(paths), { recursive: true, mode: 0o700 });
      return makeLocked(paths);
    });
    this.path = path;
    const lock = writing(path, () => openSync(`${path}/${LOCK}`, "w", 0o600));
    this.#locks = { [CHANGE_LOCK]: fd, [LOCK]: lock };
  }

  /**
   * Gives the directory a machine's name. That of a machine which lasts is there after a power cut of the host too.
   *
   * @param held the lock that is held when it appears
   * @returns the lock; undefined when there is something of that name.
   */
  publish(name: string, held: typeof LOCK | typeof CHANGE_LOCK): Lock | undefined {
    const lasts = held === CHANGE_LOCK;
    // Not of one that does not run: for a moment it would seem to.
    if (!lasts) flock(this.#locks[LOCK], "exclusive");
    try {
      if (lasts) syncPath(this.path);
      renameSync(this.path, machineDirectory(this.#paths, name));
      if (lasts) syncPath(machinesDirectory(this.#paths));
    } catch (error) {
      this.discard();
      const code = errnoOf(error);
      if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOTDIR") return undefined;
      return writing(this.path, () => {
        throw error;
      });
    }
    closeSync(this.#locks[held === LOCK ? CHANGE_LOCK : LOCK]);
    return { release: once(() => closeSync(this.#locks[held])) };
  }

  discard(): void {
    for (const fd of Object.values(this.#locks)) closeSync(fd);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A new directory under a hidden name, with its change lock: from then on no sweeper takes it. */
function makeLocked(paths: Paths): { readonly path: string; readonly fd: number } {
  for (let round = 1; ; round++) {
    const path = `${machinesDirectory(paths)}/${INCOMING}${randomSuffix()}`;
    mkdirSync(path, { mode: 0o700 });
    let fd: number;
    try {
      fd = openSync(`${path}/${CHANGE_LOCK}`, "w", 0o600);
    } catch (error) {
      // Swept before it had a lock.
      if (errnoOf(error) !== "ENOENT" || round === MAX_ROUNDS) throw error;
      continue;
    }
    flock(fd, "exclusive");
    if (isCurrent(fd, `${path}/${CHANGE_LOCK}`)) return { path, fd };
    closeSync(fd);
    if (round === MAX_ROUNDS) throw new Error(`${path} was removed ${MAX_ROUNDS} times`);
  }
}

function create(
  paths: Paths,
  name: string,
  held: typeof LOCK | typeof CHANGE_LOCK,
  fill: (path: string) => void,
): Lock | undefined {
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const draft = new DirectoryDraft(paths);
    try {
      writing(draft.path, () => fill(draft.path));
    } catch (error) {
      draft.discard();
      throw error;
    }
    const lock = draft.publish(name, held);
    if (lock !== undefined || !removeLeftover(paths, name)) return lock;
  }
  return undefined;
}

/**
 * Makes the directory of a machine that runs from its first moment: its lock is held.
 *
 * @param fill writes what belongs into it
 * @returns undefined when there is a machine of that name.
 */
export function createRunning(paths: Paths, name: string, fill: (path: string) => void): Lock | undefined {
  return create(paths, name, LOCK, fill);
}

/**
 * Makes the directory of a machine that does not run yet; its change lock is held.
 *
 * @param fill writes what belongs into it
 * @returns undefined when there is a machine of that name.
 */
export function createStopped(paths: Paths, name: string, fill: (path: string) => void): Lock | undefined {
  return create(paths, name, CHANGE_LOCK, fill);
}

/** Takes the lock that says that the machine runs; undefined when it does, or when there is no such machine. */
export function lockRunning(paths: Paths, name: string): Lock | undefined {
  const lock = tryLock(`${machineDirectory(paths, name)}/${LOCK}`, constants.O_CREAT);
  return typeof lock === "string" ? undefined : lock;
}

/** Takes the change lock without waiting. */
export function tryLockForChange(paths: Paths, name: string): Lock | "held" | "none" {
  return tryLock(`${machineDirectory(paths, name)}/${CHANGE_LOCK}`, constants.O_CREAT);
}

/** Whether the machine's process runs. Looks with a shared lock: two who look do not take each other for it. */
export function isRunning(paths: Paths, name: string): boolean {
  let fd: number;
  try {
    fd = openSync(`${machineDirectory(paths, name)}/${LOCK}`, "r");
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  try {
    return !flock(fd, "shared", false);
  } finally {
    closeSync(fd);
  }
}

/**
 * Removes a machine's directory and sockets; the caller holds one of its locks, and nobody the other one. Idempotent.
 */
export function removeDirectory(paths: Paths, name: string): void {
  removeSockets(paths, name);
  removeExposed(machineDirectory(paths, name));
  moveOut(paths, machineDirectory(paths, name));
}

/** What a throw-away machine has in its directory, and a lasting one has not. */
const EPHEMERAL = "ephemeral";

/** Says that the directory is worth nothing without its machine; for `fill`. */
export function markEphemeral(path: string): void {
  closeSync(openSync(`${path}/${EPHEMERAL}`, "w", 0o600));
}

/**
 * Removes what a throw-away machine left behind, or one whose owner has gone, if its process is gone.
 *
 * @returns whether there is no directory of that name any more.
 */
export function removeLeftover(paths: Paths, name: string): boolean {
  const path = machineDirectory(paths, name);
  if (statusOf(path) === undefined) return true;
  const isEphemeral = statusOf(`${path}/${EPHEMERAL}`) !== undefined;
  if (!isEphemeral && !lostItsOwner(path)) return false;
  // Nobody changes a throw-away machine.
  const change = isEphemeral ? { release() {} } : tryLockForChange(paths, name);
  if (typeof change === "string") return change === "none";
  const lock = lockRunning(paths, name);
  try {
    // Somebody may have made it theirs in the meantime.
    if (lock === undefined || (!isEphemeral && !lostItsOwner(path))) return false;
    removeDirectory(paths, name);
    return true;
  } finally {
    lock?.release();
    change.release();
  }
}

/**
 * Removes what machines left behind whose process is gone: half-made, half-removed, throw-away and owned directories. What
 * cannot be removed stays for the next one who sweeps.
 */
export function sweep(paths: Paths): void {
  sweepHidden(paths);
  for (const name of machineNames(paths)) tryToRemove(paths, name, () => removeLeftover(paths, name));
  sweepNamedNetworks(paths);
}

/** The same for half-made and half-removed directories alone, which takes no look at any machine. */
export function sweepHidden(paths: Paths): void {
  for (const name of namesIn(machinesDirectory(paths))) {
    const path = machineDirectory(paths, name);
    if (name.startsWith(INCOMING)) tryToRemove(paths, name, () => removeIncoming(paths, path));
    else if (name.startsWith(OUTGOING)) tryToRemove(paths, name, () => removeOutgoing(path));
  }
}

/** Whoever makes it has the lock, or is about to take it: it is made where it is missing, and then there is one. */
function removeIncoming(paths: Paths, path: string): void {
  const change = tryLock(`${path}/${CHANGE_LOCK}`, constants.O_CREAT);
  if (typeof change === "string") return;
  moveOut(paths, path);
  change.release();
}

const outgoingName = (paths: Paths): string => `${machinesDirectory(paths)}/${OUTGOING}${randomSuffix()}`;

/** What `removeDirectory` does with the directory itself, for another process to do. */
export function directoryRemoval(paths: Paths, name: string): Removal {
  return { kind: "directory", path: machineDirectory(paths, name), hidden: outgoingName(paths) };
}

/** Renamed first, so that nobody meets a half-removed directory under its name, or puts something into it. */
function moveOut(paths: Paths, path: string): void {
  const outgoing = outgoingName(paths);
  try {
    renameSync(path, outgoing);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  removeOutgoing(outgoing);
}

/** Several may be at it: whoever finds that another was faster is content. */
function removeOutgoing(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "ENOTEMPTY" && !isMissing(error)) throw error;
  }
}

/** A leftover that cannot be removed now is no reason for anything else to fail. */
function tryToRemove(paths: Paths, name: string, remove: () => void): void {
  try {
    remove();
  } catch (error) {
    console.error(`${machineDirectory(paths, name)} is left over: ${error}`);
  }
}

/** Whether there is something of that name: a machine, or what nobody knows. */
export const isTaken = (paths: Paths, name: string): boolean =>
  statusOf(machineDirectory(paths, name), lstatSync) !== undefined;

/** Whether something has a machine's place that cannot be one: a file, a link to nowhere. */
export function isForeign(paths: Paths, name: string): boolean {
  const path = machineDirectory(paths, name);
  const status = statusOf(path, lstatSync);
  if (status === undefined || status.isDirectory()) return false;
  return statusOf(path)?.isDirectory() !== true;
}

/**
 * A name that a machine may have, or that something among the machines has anyway: it can be looked at and deleted.
 *
 * @throws SmolError `machine.bad_name`
 */
export function checkEntryName(paths: Paths, name: string): string {
  if (!isMachineName(name) && machineNames(paths).includes(name)) return name;
  return checkMachineName(name);
}

/** The names of the machines, sorted. */
export function machineNames(paths: Paths): string[] {
  return namesIn(machinesDirectory(paths))
    .filter((name) => !name.startsWith("."))
    .sort();
}

/**
 * Takes a lock without waiting.
 *
 * @param create O_CREAT: makes the file where only that is missing; then `none` says that there is no directory
 */
function tryLock(path: string, create = 0): Lock | "held" | "none" {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | create, 0o600);
  } catch (error) {
    if (isMissing(error)) return "none";
    throw error;
  }
  if (flock(fd, "exclusive", false)) {
    if (isCurrent(fd, path)) return { release: once(() => closeSync(fd)) };
    closeSync(fd);
    return "none";
  }
  closeSync(fd);
  return "held";
}

/** The directory may have been removed, and another put in its place, between the opening and the locking. */
function isCurrent(fd: number, path: string): boolean {
  const current = statusOf(path);
  return current !== undefined && current.ino === fstatSync(fd).ino;
}

/** Undefined: there is nothing, or what should be a directory on the way is none. */
function statusOf(path: string, stat: (path: string) => Stats = statSync): Stats | undefined {
  try {
    return stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const code = errnoOf(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** A descriptor's number is given out again: closing it twice would close another file. */
function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
