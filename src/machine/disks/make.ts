/** Files of a machine's disks: made from a template, grown to a size. */
import { closeSync, constants, ftruncateSync, openSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, SmolError } from "../../errors.ts";
import { copyPieces } from "./copy.ts";
import { diskFailure } from "./failure.ts";
import { type DiskName, GIB, shrinks } from "./sizes.ts";

export interface NewDisk {
  readonly name: DiskName;
  readonly path: string;
  readonly gib: number;
  /** A formatted disk that is not larger; the guest grows the filesystem to the disk. */
  readonly template: string;
}

/**
 * Makes the disk of a machine that is thrown away: a sparse copy of its template, which costs the few blocks that that
 * has. Whoever removes the machine's directory removes it, also when this is killed half way.
 *
 * @throws SmolError `disk.no_space`, `disk.unusable`
 */
export function createDisk(disk: NewDisk): void {
  try {
    closeSync(fill(disk.path, disk));
  } catch (error) {
    throw diskFailure(error, `make the ${disk.name} disk`, disk.path);
  }
}

/**
 * Makes sure that a machine that lasts has its disk, of this size. One that is not there is made anew and appears
 * complete or not at all, whatever is killed and whether or not the host loses power; one that is smaller grows.
 *
 * The caller holds the machine's lock.
 *
 * @returns whether it was made now
 * @throws SmolError `machine.disk_shrink`, `disk.no_space`, `disk.unusable`
 */
export async function keepDisk(disk: NewDisk): Promise<boolean> {
  const { name, path, gib } = disk;
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there === undefined) {
      await createDurably(disk);
      return true;
    }
    if (!there.isFile())
      throw new SmolError("disk.unusable", `the ${name} disk ${path} is not a file`, {
        hint: "remove it: a start makes a new disk",
      });
    if (there.size > gib * GIB) throw shrinks(name, inGib(there.size), gib);
    if (there.size < gib * GIB) grow(path, gib);
    return false;
  } catch (error) {
    throw diskFailure(error, `make the ${name} disk`, path);
  }
}

/** Only the length of the file: the host gives the blocks when the guest writes to them. */
function grow(path: string, gib: number): void {
  const file = openSync(path, "r+");
  try {
    ftruncateSync(file, gib * GIB);
  } finally {
    closeSync(file);
  }
}

/** Bytes first, then the name, then the directory: what has the name after a power cut has its bytes. */
async function createDurably(disk: NewDisk): Promise<void> {
  const unfinished = `${disk.path}.new`;
  // A killed start may have left one.
  rmSync(unfinished, { force: true });
  try {
    const file = fill(unfinished, disk);
    closeSync(file);
    await sync(unfinished);
    renameSync(unfinished, disk.path);
    await syncNames(dirname(disk.path));
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

function fill(path: string, { gib, template }: NewDisk): number {
  const target = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  let source: number | undefined;
  try {
    ftruncateSync(target, gib * GIB);
    source = openSync(template, "r");
    copyPieces(source, target);
    return target;
  } catch (error) {
    closeSync(target);
    throw error;
  } finally {
    if (source !== undefined) closeSync(source);
  }
}

/** Has the system write a file to its disk; other work goes on meanwhile. */
async function sync(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}

/** As `sync`, the names in a directory. There are filesystems that have no such call for directories. */
export async function syncNames(directory: string): Promise<void> {
  try {
    await sync(directory);
  } catch (error) {
    if (errnoOf(error) !== "EINVAL") throw error;
  }
}

/** For people: whole, or with as many digits as tell something. */
function inGib(bytes: number): number {
  return Number((bytes / GIB).toFixed(2));
}
