/** Volumes of smolvm's own: directories that outlive machines, `volumes/NAME/` of the data directory. */
import { chmodSync, mkdirSync, readdirSync, renameSync, rmdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Paths } from "../../config/paths.ts";
import type { Context } from "../../context.ts";
import { messageOf, SmolError } from "../../errors.ts";
import { quote } from "../../values/index.ts";
import { isVolumeName } from "../../values/mount.ts";
import { machineNames, readRecord } from "../store/index.ts";

export interface NamedVolume {
  readonly name: string;
  /** On the host. */
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Machines whose description names it. */
  readonly machines: readonly string[];
}

const directory = (paths: Paths): string => `${paths.data}/volumes`;

/** Where a volume of this name is, or would be. */
export const volumePath = (paths: Paths, name: string): string => `${directory(paths)}/${name}`;

/** Those that are there, by name. */
export function listVolumes({ paths }: Context): NamedVolume[] {
  const users = usersOf(paths);
  return namesIn(paths).flatMap((name) => {
    const path = volumePath(paths, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats?.isDirectory()) return [];
    return [{ name, path, createdAt: Math.round(stats.birthtimeMs), machines: users.get(name) ?? [] }];
  });
}

function namesIn(paths: Paths): string[] {
  try {
    return readdirSync(directory(paths)).filter(isVolumeName).sort();
  } catch {
    return [];
  }
}

function usersOf(paths: Paths): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const machine of machineNames(paths)) {
    const read = readRecord(paths, machine);
    if (read?.kind !== "record") continue;
    const names = new Set(
      read.record.volumes.flatMap(({ kind, source }) => (kind === "volume" ? source : [])),
    );
    for (const name of names) users.set(name, [...(users.get(name) ?? []), machine]);
  }
  return users;
}

/** @throws SmolError `volume.not_found` */
export function inspectVolume(context: Context, name: string): NamedVolume {
  const found = listVolumes(context).find((volume) => volume.name === name);
  if (found === undefined) {
    throw new SmolError("volume.not_found", `there is no volume ${quote(name)}`, {
      hint: "`smolvm volume ls` lists those that are there",
    });
  }
  return found;
}

/** @returns false when it was there before @throws SmolError `volume.bad_name` */
export function createVolume({ paths }: Context, name: string): boolean {
  if (!isVolumeName(name)) {
    throw new SmolError("volume.bad_name", `${quote(name)} cannot be the name of a volume`, {
      hint: "letters, digits, `_`, `.` and `-`, beginning with a letter or digit; at most 64",
    });
  }
  mkdirSync(directory(paths), { recursive: true, mode: 0o700 });
  try {
    mkdirSync(volumePath(paths, name), { mode: 0o755 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Removes a volume and all that is in it. @throws SmolError `volume.not_found`, `volume.in_use` */
export async function removeVolume(context: Context, name: string): Promise<void> {
  const { path, machines } = inspectVolume(context, name);
  if (machines.length > 0) {
    throw new SmolError("volume.in_use", `the volume ${quote(name)} belongs to ${machines.join(", ")}`, {
      hint: `smolvm machine update ${machines[0]} --remove-volume GUEST takes it from the machine`,
    });
  }
  // Whoever looks meanwhile finds none or the whole of it.
  const gone = `${directory(context.paths)}/.removed-${crypto.randomUUID()}`;
  renameSync(path, gone);
  await discard(gone);
  try {
    rmdirSync(directory(context.paths));
  } catch {
    // Others are in it.
  }
}

/** Removes those that no machine names; returns their names. */
export async function pruneVolumes(context: Context): Promise<string[]> {
  const unused = listVolumes(context).filter(({ machines }) => machines.length === 0);
  for (const { name } of unused) await removeVolume(context, name);
  return unused.map(({ name }) => name);
}

async function discard(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // A guest may have forbidden its own directories to everybody: they are the user's all the same.
    open(path);
    try {
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      throw new SmolError("volume.not_removed", `cannot remove ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

function open(path: string): void {
  const waiting = [path];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    chmodSync(next, 0o700);
    for (const entry of readdirSync(next, { withFileTypes: true }))
      if (entry.isDirectory()) waiting.push(`${next}/${entry.name}`);
  }
}
