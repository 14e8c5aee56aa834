/**
 * Who needs what was unpacked, beside those who start just now: machines that run, of this and of other versions of the
 * program, by leases (flock, they end with their process); and machines that do not run, by pins (src/host/pin.ts).
 */
import { closeSync, existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { errnoOf } from "../errors.ts";
import { addPin, pinsOf } from "../host/index.ts";
import { leaseDirectory } from "./lock.ts";
import { hashFile } from "./sparse.ts";
import { matchingStamp, writeStamp } from "./stamp.ts";

/** Says that something is needed, until it is released or the process ends. */
export interface AssetLease {
  readonly release: () => void;
}

/** Directories are called by the first half of the SHA-256 (hex) of what is in them. */
const isRuntimeDirectory = (directory: string) => /^[0-9a-f]{32}$/.test(basename(directory));

/**
 * Takes a lease on files that `assetPath` gave: as long as it is held they stay, whatever other versions of the program
 * unpack and prune. For the process that runs a machine, which may boot it again.
 *
 * @param paths others than those of assets are left alone
 * @returns undefined when one of them is not there any more: ask for their paths again
 */
export function leaseAssets(paths: readonly string[]): AssetLease | undefined {
  const held: number[] = [];
  const release = () => {
    for (const fd of held.splice(0)) closeSync(fd);
  };
  try {
    for (const directory of new Set(paths.map((path) => dirname(path)))) {
      if (!isRuntimeDirectory(directory)) continue;
      const fd = leaseIfMine(directory);
      if (fd !== undefined) held.push(fd);
    }
    if (paths.every((path) => existsSync(path))) return { release };
    release();
    return undefined;
  } catch (error) {
    release();
    throw error;
  }
}

/** In another user's cache nothing can be held, nor can we remove anything there. */
function leaseIfMine(directory: string): number | undefined {
  try {
    return leaseDirectory(directory);
  } catch (error) {
    if (["EACCES", "EPERM", "EROFS"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  }
}

/**
 * Keeps an asset for a machine that lasts, also while it does not run and when the program is replaced by another
 * version: as long as the machine's record is there and has the asset's id (`assetId`) in its text.
 *
 * @param path what `assetPath` gave
 * @param record absolute path of the machine's record
 * @returns a lease, to be released when the record is in its place; undefined when the asset is not there any more
 */
export async function pinAsset(path: string, record: string): Promise<AssetLease | undefined> {
  const lease = leaseAssets([path]);
  if (lease === undefined) return undefined;
  try {
    await addPin(pinsIn(dirname(path)), basename(dirname(path)), record);
    return lease;
  } catch (error) {
    lease.release();
    throw error;
  }
}

const pinsIn = (directory: string) => `${directory}/pins`;

/** Whether a machine needs what is in a directory. */
export function isPinned(directory: string): boolean {
  return pinsOf(pinsIn(directory), basename(directory)).live.length > 0;
}

/**
 * An asset that another version of the program has unpacked, if it is still there and as it was. Read in full at its
 * first use after the host has booted; a sparse file, which cannot be checked like that, is never found.
 *
 * @param id SHA-256 (hex) of its data
 */
export function findUnpacked(path: string, id: string): string | undefined {
  if (matchingStamp(path)?.sha256 === id) return path;
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile() || hashFile(path, stat.size, [{ offset: 0, length: stat.size }]) !== id)
    return undefined;
  writeStamp(path, id);
  return path;
}
