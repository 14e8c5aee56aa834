/** The files of a machine's directory that are read and written as a whole. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Paths } from "../../config/paths.ts";
import { errnoOf } from "../../errors.ts";
import {
  type MachineRecord,
  type MachineState,
  parseRecord,
  parseState,
  type ReadRecord,
} from "../model/index.ts";
import { machineDirectory } from "./directory.ts";

const RECORD = "machine.json";
const STATE = "state.json";

/** Bytes of a record or state that are read: far beyond what the limits of the schema let people write. */
const MAX_BYTES = 64 * 1024 * 1024;

export const recordPath = (paths: Paths, name: string): string =>
  `${machineDirectory(paths, name)}/${RECORD}`;

/**
 * Where a machine's disks, console log and logs of its programs are, `smolvm machine data-dir`. Apart from the record,
 * so that a script which removes this directory to begin anew loses the files and keeps the machine.
 */
export const dataDirectory = (paths: Paths, name: string): string => dataIn(machineDirectory(paths, name));

/** The same in a directory that is not published yet. */
export const dataIn = (directory: string): string => `${directory}/data`;

/** Undefined: there is no such machine. */
export function readRecord(paths: Paths, name: string): ReadRecord | undefined {
  const text = read(recordPath(paths, name));
  return text === undefined ? undefined : parseRecord(text, name);
}

/** Undefined: it has never run, or what it left is damaged. */
export function readState(paths: Paths, name: string): MachineState | undefined {
  const text = read(`${machineDirectory(paths, name)}/${STATE}`);
  return text === undefined ? undefined : parseState(text);
}

/** Puts a record into a directory that is not published yet. */
export function writeFirstRecord(directory: string, record: MachineRecord): void {
  writeFileSync(`${directory}/${RECORD}`, encode(record), { mode: 0o600 });
}

/** Replaces the record atomically; the caller holds one of the machine's locks. */
export function writeRecord(paths: Paths, record: MachineRecord): void {
  replace(recordPath(paths, record.name), encode(record));
}

/** Replaces the state atomically; only the machine's process does. */
export function writeState(paths: Paths, name: string, state: MachineState): void {
  replace(`${machineDirectory(paths, name)}/${STATE}`, encode(state));
}

/** Safe from a crash of this program, and of the host as far as its filesystem orders writes before renames. */
export function replace(path: string, text: string): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, path);
}

export const encode = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Undefined: there is no such file. */
export function read(path: string): string | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return text.length > MAX_BYTES ? "" : text;
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
