/** What is known about a machine's containers: one file each, in a directory of the machine's. */
import { mkdirSync, rmSync } from "node:fs";
import type { Paths } from "../../config/paths.ts";
import { namesIn } from "../../host/index.ts";
import { type ContainerRecord, endedWithMachine, parseContainer } from "../model/index.ts";
import { machineDirectory } from "./directory.ts";
import { encode, read, replace } from "./files.ts";
import { syncPath } from "./sync.ts";

const containersDirectory = (paths: Paths, machine: string): string =>
  containersIn(machineDirectory(paths, machine));

const containersIn = (directory: string): string => `${directory}/containers`;

/** All that can be read, the oldest first. Looking changes nothing. */
export function readContainers(paths: Paths, machine: string): ContainerRecord[] {
  const directory = containersDirectory(paths, machine);
  return namesIn(directory)
    .flatMap((name) => {
      const id = /^([0-9a-f]{12})\.json$/.exec(name)?.[1];
      const text = id === undefined ? undefined : read(`${directory}/${name}`);
      return (id !== undefined && text !== undefined && parseContainer(text, id)) || [];
    })
    .sort((one, other) => one.createdAt - other.createdAt || (one.id < other.id ? -1 : 1));
}

/** Only the machine's process does; replaces what was written before in one step, also when the host loses power. */
export function writeContainer(paths: Paths, machine: string, record: ContainerRecord): void {
  const directory = containersDirectory(paths, machine);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  replace(`${directory}/${record.id}.json`, encode(record), syncPath);
  syncPath(directory);
}

/**
 * Puts what is known of a machine's containers into another one's directory, which is not published yet; none of them
 * runs there.
 */
export function copyContainers(paths: Paths, machine: string, directory: string, at: number): void {
  const records = readContainers(paths, machine);
  if (records.length > 0) mkdirSync(containersIn(directory), { mode: 0o700 });
  for (const record of records)
    replace(`${containersIn(directory)}/${record.id}.json`, encode(endedWithMachine(record, at)));
}

/** Only the machine's process does. */
export function removeContainer(paths: Paths, machine: string, id: string): void {
  rmSync(`${containersDirectory(paths, machine)}/${id}.json`, { force: true });
}
