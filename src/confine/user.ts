/**
 * A user of its own for each VM that root starts: what an attacker's code in it could reach of root's, were it not for the
 * other layers, belongs to somebody else.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  statSync,
} from "node:fs";
import { flock } from "../../ffi/libc.ts";
import { messageOf, SmolError } from "../errors.ts";
import { removeIfAllowed } from "../host/index.ts";
import type { Removal } from "./removal.ts";
import { requireLayers } from "./report.ts";
import type { AllowedPath, Confinement, Rights } from "./types.ts";

/** From here on no user, no service and no container of systemd's, nor of subuid(5), has ids (systemd's UIDS-GIDS.md). */
export const FIRST_USER = 0x7000_0000;
/** More VMs than a host has room for. */
const USERS = 4096;

/** A file for each user that a VM has, locked while it has it: for all of this host's root, whatever its HOME. */
const TAKEN = "/run/smolvm-users";

const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;

/** How a VM's process is confined, and until when nobody else's is the same user. */
export interface OwnUser {
  readonly confinement: Confinement;
  /** What `release` removes, for another process to do where this one may not any more. */
  readonly removals: readonly Removal[];
  release(): void;
}

/**
 * Gives a confinement a user who is no other running VM's, where root's VMs have one; until `release`, or until this
 * process ends.
 *
 * @param directory of the machine's disks, which are to be that user's
 * @param obstacle why this VM cannot have one
 * @throws SmolError `confine.missing` when it is required and cannot be had
 */
export function confineAsUser(
  confinement: Confinement,
  directory: string,
  obstacle?: string | undefined,
): OwnUser {
  const { mode, host } = confinement;
  if (mode === "off" || host?.user !== "own" || host.namespaces !== "root")
    return { confinement, removals: [], release() {} };
  try {
    if (obstacle !== undefined) throw new Error(obstacle);
    giveAway(directory);
    const { user, path, release } = takeUser();
    return {
      confinement: { ...confinement, user },
      removals: [{ kind: "file", path }],
      release,
    };
  } catch (error) {
    const reasons = { ...host.reasons, user: messageOf(error) };
    const without: Confinement = { mode, host: { ...host, user: "none", reasons } };
    requireLayers(without);
    return { confinement: without, removals: [], release() {} };
  }
}

/**
 * Makes the files of a VM its user's to use: those that it writes belong to it, the others, which are smolvm's, may be
 * read by everybody. They lie in directories that only root can go through, and are shown to the VM alone.
 *
 * @throws SmolError `confine.failed`
 */
export function lendFiles(paths: readonly AllowedPath[], user: number): void {
  try {
    for (const { path, rights } of paths) lendFile(path, rights, user);
  } catch (error) {
    throw new SmolError(
      "confine.failed",
      `cannot lend the VM's files to a user of its own: ${messageOf(error)}`,
      {
        hint: "--confine off starts without",
      },
    );
  }
}

/** By a descriptor: a machine's process may not do it by a path (machineProfile in seccomp/own-profiles.ts). */
function lendFile(path: string, rights: Rights, user: number): void {
  const fd = openSync(path, "r");
  try {
    const { mode, gid } = fstatSync(fd);
    if (rights === "write") fchownSync(fd, user, gid);
    else if ((mode & 0o004) === 0) fchmodSync(fd, (mode & 0o777) | 0o004);
  } finally {
    closeSync(fd);
  }
}

/** Some filesystems have no owners, or do not let this root change them. */
function giveAway(directory: string): void {
  const fd = openSync(directory, O_TMPFILE | constants.O_RDWR, 0o600);
  try {
    fchownSync(fd, FIRST_USER, 0);
  } finally {
    closeSync(fd);
  }
}

/** @throws Error when there is none left */
function takeUser(): { user: number; path: string; release(): void } {
  mkdirSync(TAKEN, { recursive: true, mode: 0o700 });
  for (let user = FIRST_USER; user < FIRST_USER + USERS; user++) {
    const path = `${TAKEN}/${user}`;
    const fd = openSync(path, "w", 0o600);
    const isCurrent = () => statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
    // Whoever gave it back in between has removed the file that is open here.
    if (flock(fd, "exclusive", false) && isCurrent())
      return { user, path, release: () => giveBack(path, fd) };
    closeSync(fd);
  }
  throw new Error(`${USERS} VMs run already`);
}

function giveBack(path: string, fd: number): void {
  removeIfAllowed(path);
  closeSync(fd);
}
