/**
 * Named networks: who is in which, with which number. A network is a directory while somebody is in it,
 * `<data>/networks/NAME/`, with an empty file `<number>.<machine>` for each member. The member's process holds a lock of
 * it (flock): one that is not held is left over, and the next one who joins removes it. Whoever joins or leaves holds the
 * directory's own lock for that moment.
 */
import { closeSync, fstatSync, mkdirSync, openSync, rmdirSync, rmSync, statSync } from "node:fs";
import { flock } from "../../../ffi/libc.ts";
import type { Paths } from "../../config/paths.ts";
import type { Removal } from "../../confine/index.ts";
import { errnoOf, SmolError } from "../../errors.ts";
import { namesIn, removeIfAllowed, tryForAMoment } from "../../host/index.ts";
import { writing } from "./failure.ts";

/**
 * Each member may have two connections with each other one. With more, they would take what the process keeps free of
 * its descriptors (`OTHER_DESCRIPTORS` in src/net/limits.ts).
 */
export const MAX_MEMBERS = 64;

/** Another one holds the lock while it reads a directory and makes or removes a file. */
const LOOKS = 400;

const networksDirectory = (paths: Paths) => `${paths.data}/networks`;
export const namedNetworkDirectory = (paths: Paths, network: string) =>
  `${networksDirectory(paths)}/${network}`;

/** A machine in a network. */
export interface NetworkMember {
  readonly machine: string;
  /** Which of the network's addresses it has. */
  readonly number: number;
}

export interface Membership extends NetworkMember {
  /** What `leave` removes, for another process to do where this one may not any more. */
  readonly removals: readonly Removal[];
  leave(): void;
}

/** Numbers that members may have. */
export interface Numbers {
  readonly first: number;
  readonly last: number;
}

/**
 * Joins, until `leave` or until this process ends. A machine gets the same number again as long as nobody else has it.
 *
 * @throws SmolError `network.full`, `network.busy`; `machine.no_space`, `machine.unwritable`
 */
export function joinNamedNetwork(
  paths: Paths,
  network: string,
  machine: string,
  numbers: Numbers,
): Membership {
  const directory = namedNetworkDirectory(paths, network);
  return writing(directory, () =>
    withLocked(paths, network, () => {
      const taken = new Set(liveMembers(directory, true).map(({ number }) => number));
      if (taken.size >= MAX_MEMBERS)
        throw new SmolError("network.full", `${MAX_MEMBERS} machines are in the network ${network} already`, {
          hint: "stop one of them, or give another name with --network",
        });
      const number = firstFree(machine, numbers, taken);
      const path = `${directory}/${number}.${machine}`;
      const fd = openSync(path, "w", 0o600);
      flock(fd, "exclusive");
      const removals: Removal[] = [
        { kind: "file", path },
        ...[directory, networksDirectory(paths)].map((path): Removal => ({ kind: "emptyDirectory", path })),
      ];
      return { machine, number, removals, leave: () => leave(paths, network, path, fd) };
    }),
  );
}

/** Members whose processes run; none when there is no such network. */
export function networkMembers(paths: Paths, network: string): NetworkMember[] {
  return liveMembers(namedNetworkDirectory(paths, network), false);
}

/** Removes what members left behind whose processes were killed, and networks that nobody is in. */
export function sweepNamedNetworks(paths: Paths): void {
  for (const network of namesIn(networksDirectory(paths))) {
    try {
      withLocked(paths, network, () => void liveMembers(namedNetworkDirectory(paths, network), true));
    } catch {
      // What cannot be removed stays for the next one who sweeps.
    }
  }
  removeIfEmpty(networksDirectory(paths));
}

function leave(paths: Paths, network: string, path: string, fd: number): void {
  try {
    withLocked(paths, network, () => removeIfAllowed(path));
    removeIfEmpty(networksDirectory(paths));
  } finally {
    closeSync(fd);
  }
}

/** Does something while nobody else joins or leaves. A network that nobody is in afterwards is no more. */
function withLocked<T>(paths: Paths, network: string, work: () => T): T {
  const path = namedNetworkDirectory(paths, network);
  const fd = tryForAMoment(() => lockDirectory(path), LOOKS);
  if (fd === undefined)
    throw new SmolError(
      "network.busy",
      `other machines have been joining the network ${network} for seconds`,
    );
  try {
    return work();
  } finally {
    removeIfEmpty(path);
    closeSync(fd);
  }
}

/** @returns undefined: somebody else holds it, or has just removed it */
function lockDirectory(path: string): number | undefined {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  try {
    const fd = openSync(path, "r");
    const isCurrent = () => statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino;
    if (flock(fd, "exclusive", false) && isCurrent()) return fd;
    closeSync(fd);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
  return undefined;
}

/** @param remove what is left over; only with the directory's lock */
function liveMembers(directory: string, remove: boolean): NetworkMember[] {
  return namesIn(directory).flatMap((entry) => {
    const [, number, machine] = /^(\d{1,3})\.(.+)$/.exec(entry) ?? [];
    if (number === undefined || machine === undefined) return [];
    const path = `${directory}/${entry}`;
    if (isHeld(path)) return [{ machine, number: Number(number) }];
    if (remove) rmSync(path, { force: true });
    return [];
  });
}

/** Looks with a shared lock: two who look do not take each other for a member. */
function isHeld(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, "r");
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

function firstFree(machine: string, { first, last }: Numbers, taken: ReadonlySet<number>): number {
  const count = last - first + 1;
  const wish = Number(Bun.hash.crc32(machine)) % count;
  let number = first + wish;
  while (taken.has(number)) number = number === last ? first : number + 1;
  return number;
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Somebody is in it, or it is gone.
  }
}
