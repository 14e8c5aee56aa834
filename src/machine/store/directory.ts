/**
 * A machine's directory, `<data>/machines/NAME/`: locks, record, state, disks, logs.
 *
 * Two locks (flock, so that the kernel releases them however their holder ends) say who does what with it:
 *
 *     lock          held by the machine's process: a machine runs exactly when its lock is held
 *     change.lock   held by whoever starts, changes or deletes the machine, for as long as that takes
 *
 * A directory appears complete under its name and vanishes from there in one step, both by rename(2). A throw-away
 * machine's directory appears with its lock held: one whose lock is free is left over, and anybody may remove it.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import type { Paths } from "../../config/paths.ts";
import { errnoOf } from "../../errors.ts";
import { removeSockets } from "./sockets.ts";

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

/** A directory that nobody sees until it is published under a machine's name. Both of its locks are held. */
export class DirectoryDraft {
  readonly path: string;
  readonly #paths: Paths;
  readonly #locks: Readonly<Record<typeof LOCK | typeof CHANGE_LOCK, number>>;

  constructor(paths: Paths) {
    this.#paths = paths;
    mkdirSync(machinesDirectory(paths), { recursive: true, mode: 0o700 });
    this.path = `${machinesDirectory(paths)}/${INCOMING}${randomSuffix()}`;
    mkdirSync(this.path, { mode: 0o700 });
    const open = (file: string) => openSync(`${this.path}/${file}`, "w", 0o600);
    this.#locks = { [LOCK]: open(LOCK), [CHANGE_LOCK]: open(CHANGE_LOCK) };
    // Sweepers look at this one.
    flock(this.#locks[LOCK], "exclusive");
  }

  /**
   * Gives the directory a machine's name.
   *
   * @param held the lock that is held when it appears
   * @returns the lock; undefined when there is a machine of that name, or somebody has swept the directory before its
   * lock was taken: it has to be made anew then.
   */
  publish(name: string, held: typeof LOCK | typeof CHANGE_LOCK): Lock | undefined {
    flock(this.#locks[held], "exclusive");
    try {
      renameSync(this.path, machineDirectory(this.#paths, name));
    } catch (error) {
      this.discard();
      const code = errnoOf(error);
      if (code === "ENOTEMPTY" || code === "EEXIST" || code === "ENOENT") return undefined;
      throw error;
    }
    closeSync(this.#locks[held === LOCK ? CHANGE_LOCK : LOCK]);
    return { release: once(() => closeSync(this.#locks[held])) };
  }

  discard(): void {
    for (const fd of Object.values(this.#locks)) closeSync(fd);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Bounded: each round either succeeds or has seen another process win a race. */
const MAX_ROUNDS = 20;

function create(
  paths: Paths,
  name: string,
  held: typeof LOCK | typeof CHANGE_LOCK,
  fill: (path: string) => void,
): Lock | undefined {
  for (let round = 1; round <= MAX_ROUNDS; round++) {
    const draft = new DirectoryDraft(paths);
    try {
      fill(draft.path);
    } catch (error) {
      draft.discard();
      if (errnoOf(error) !== "ENOENT" || round === MAX_ROUNDS) throw error;
      continue;
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
    if (errnoOf(error) === "ENOENT") return false;
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
  // Renamed first, so that nobody meets a half-removed directory under the machine's name.
  const outgoing = `${machinesDirectory(paths)}/${OUTGOING}${randomSuffix()}`;
  try {
    renameSync(machineDirectory(paths, name), outgoing);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw error;
  }
  rmSync(outgoing, { recursive: true, force: true });
}

/** What a throw-away machine has in its directory, and a lasting one has not. */
const EPHEMERAL = "ephemeral";

/** Says that the directory is worth nothing without its machine; for `fill`. */
export function markEphemeral(path: string): void {
  closeSync(openSync(`${path}/${EPHEMERAL}`, "w", 0o600));
}

/**
 * Removes what a throw-away machine left behind, if its process is gone.
 *
 * @returns whether there is no directory of that name any more.
 */
export function removeLeftover(paths: Paths, name: string): boolean {
  const path = machineDirectory(paths, name);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return true;
  if (statSync(`${path}/${EPHEMERAL}`, { throwIfNoEntry: false }) === undefined) return false;
  const lock = lockRunning(paths, name);
  if (lock === undefined) return false;
  try {
    removeDirectory(paths, name);
    return true;
  } finally {
    lock.release();
  }
}

/** Removes what machines left behind whose process is gone: half-made, half-removed and throw-away directories. */
export function sweep(paths: Paths): void {
  for (const name of entriesOf(paths)) {
    if (!name.startsWith(".")) {
      removeLeftover(paths, name);
      continue;
    }
    const path = machineDirectory(paths, name);
    const lock = tryLock(`${path}/${LOCK}`);
    if (lock === "held") continue;
    rmSync(path, { recursive: true, force: true });
    if (lock !== "none") lock.release();
  }
}

/** Whether there is a directory of that name, with a record or without. */
export const hasDirectory = (paths: Paths, name: string): boolean =>
  existsSync(machineDirectory(paths, name));

/** The names of the machines, sorted. */
export function machineNames(paths: Paths): string[] {
  return entriesOf(paths)
    .filter((name) => !name.startsWith("."))
    .sort();
}

function entriesOf(paths: Paths): string[] {
  try {
    return readdirSync(machinesDirectory(paths));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
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
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return "none";
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
  const current = statSync(path, { throwIfNoEntry: false });
  return current !== undefined && current.ino === fstatSync(fd).ino;
}

/** A descriptor's number is given out again: closing it twice would close another file. */
function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
