/** The files of a machine's directory that are read and written as a whole. */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Paths } from "../../config/paths.ts";
import { errnoOf, messageOf } from "../../errors.ts";
import {
  type MachineRecord,
  type MachineState,
  parseRecord,
  parseState,
  type ReadRecord,
} from "../model/index.ts";
import { machineDirectory } from "./directory.ts";
import { writing } from "./failure.ts";
import { syncPath } from "./sync.ts";

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

/** Undefined: there is no such machine. @param depth see `parseRecord` */
export function readRecord(
  paths: Paths,
  name: string,
  depth: "whole" | "outline" = "whole",
): ReadRecord | undefined {
  let text: string | undefined;
  try {
    text = read(recordPath(paths, name));
  } catch (error) {
    // One that cannot be read hides no other machine.
    return { kind: "damaged", reason: messageOf(error) };
  }
  return text === undefined ? undefined : parseRecord(text, name, depth);
}

/** Undefined: it has never run, or what it left is damaged. */
export function readState(
  paths: Paths,
  name: string,
  depth: "whole" | "outline" = "whole",
): MachineState | undefined {
  try {
    const path = `${machineDirectory(paths, name)}/${STATE}`;
    // Cheaper than an exception, for machines that have never run.
    const text = existsSync(path) ? read(path) : undefined;
    return text === undefined ? undefined : parseState(text, depth);
  } catch {
    return undefined;
  }
}

/** Puts a record into a directory that is not published yet. @throws SmolError `machine.no_space` … */
export function writeFirstRecord(directory: string, record: MachineRecord): void {
  const path = `${directory}/${RECORD}`;
  writing(path, () => {
    writeFileSync(path, encode(record), { mode: 0o600 });
    if (!record.ephemeral) syncPath(path);
  });
}

/**
 * Replaces the record atomically, also when the host loses power: it is the old one or this one. The caller holds one
 * of the machine's locks.
 *
 * @throws SmolError `machine.no_space`, `machine.unwritable`: it is the old one
 */
export function writeRecord(paths: Paths, record: MachineRecord): void {
  const path = recordPath(paths, record.name);
  writing(path, () => {
    replace(path, encode(record), syncPath);
    syncPath(machineDirectory(paths, record.name));
  });
}

/** Replaces the state atomically; only the machine's process does. A power cut may cost it: it is told anew. */
export function writeState(paths: Paths, name: string, state: MachineState): void {
  replace(`${machineDirectory(paths, name)}/${STATE}`, encode(state));
}

/** Replaces a file atomically. @param sync makes the new one safe from a power cut before it has its name */
export function replace(path: string, text: string, sync?: (path: string) => void): void {
  const temporary = `${path}.new`;
  writeFileSync(temporary, text, { mode: 0o600 });
  sync?.(temporary);
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
