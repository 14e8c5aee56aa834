/**
 * Pins: they keep something in a cache for a machine that no process holds, because it does not run. A pin is a symbolic
 * link to the machine's record, `<id>-<hash of the record's path>`: it appears complete, and whoever looks at it sees
 * who it is for. It counts as long as that record is there and has the id somewhere in its text. So nobody has to
 * clean up after a machine that was deleted in whichever way, the record's format may change, and machines of other data
 * directories count too.
 *
 * Who makes a pin holds a lease on the thing until the record is in its place: till then the pin counts as stale.
 * Who removes stale pins, or the thing, does so under its exclusive lock.
 */
import { mkdirSync, readFileSync, readlinkSync, symlinkSync, unlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { errnoOf } from "../errors.ts";
import { namesIn } from "./names-in.ts";

export interface Pin {
  /** The record that the pin is for, absolute. */
  readonly record: string;
  /** Name of the machine, which is that of its directory. */
  readonly machine: string;
}

export interface Pins {
  readonly live: readonly Pin[];
  /** Paths of pins that count no more. */
  readonly stale: readonly string[];
}

const nameOf = (id: string, record: string) =>
  `${id}-${new Bun.CryptoHasher("sha256").update(record).digest("hex").slice(0, 32)}`;

/**
 * Pins something for a machine; resolves when the pin is safe from a power cut. Once more costs nothing.
 *
 * @param directory of pins; made when it is missing
 * @param id of the thing, in letters and digits
 * @param record absolute path of the machine's record, which need not be there yet
 */
export async function addPin(directory: string, id: string, record: string): Promise<void> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    symlinkSync(record, `${directory}/${nameOf(id, record)}`);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return;
    throw error;
  }
  // Loaded here: it takes two milliseconds, and every command about machines loads this file.
  const { open } = await import("node:fs/promises");
  await using names = await open(directory, "r");
  // There are filesystems that have no such call for directories.
  await names.sync().catch((error) => {
    if (errnoOf(error) !== "EINVAL") throw error;
  });
}

/** Takes a pin off, if there is one. */
export function removePin(directory: string, id: string, record: string): void {
  unlinkIfThere(`${directory}/${nameOf(id, record)}`);
}

/** The pins of something, by machine. Changes nothing. */
export function pinsOf(directory: string, id: string): Pins {
  const live: Pin[] = [];
  const stale: string[] = [];
  for (const name of namesIn(directory)) {
    if (!name.startsWith(`${id}-`)) continue;
    const path = `${directory}/${name}`;
    const record = recordIfItCounts(path, id);
    if (record === undefined) stale.push(path);
    else live.push({ record, machine: basename(dirname(record)) });
  }
  return { live: live.sort((a, b) => (a.machine < b.machine ? -1 : 1)), stale };
}

/** The ids that have pins, whether they count or not. */
export function pinnedIds(directory: string): Set<string> {
  return new Set(namesIn(directory).map((name) => name.slice(0, name.lastIndexOf("-"))));
}

/** Removes the stale pins of something. The caller holds its exclusive lock. */
export function sweepPins(directory: string, id: string): void {
  for (const path of pinsOf(directory, id).stale) unlinkIfThere(path);
}

/** The record that a pin leads to, if it has the id. */
function recordIfItCounts(pin: string, id: string): string | undefined {
  const record = targetOf(pin);
  if (record === undefined) return undefined;
  try {
    return readFileSync(record, "utf8").includes(id) ? record : undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === undefined) throw error;
    // What is there and cannot be read may be needed.
    return GONE.has(code) ? undefined : record;
  }
}

const GONE = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"]);

/** Undefined for what is no pin, or was removed at this very moment. */
function targetOf(pin: string): string | undefined {
  try {
    return readlinkSync(pin);
  } catch (error) {
    const code = errnoOf(error);
    if (code === "ENOENT" || code === "EINVAL") return undefined;
    throw error;
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
