import { rmSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { copySparse } from "./copy.ts";
import { diskFailure, noSpace } from "./failure.ts";
import { diskPath } from "./machine-disks.ts";
import { syncNames } from "./make.ts";
import { type DiskName, diskNames } from "./sizes.ts";

/** How far a copy is, in bytes that are not holes; `total` may be a little more than comes. */
export interface CloneProgress {
  readonly disk: DiskName;
  readonly bytes: number;
  readonly total: number;
}

export interface CloneOptions {
  readonly signal?: AbortSignal | undefined;
  /** Not called where nothing has to be copied. */
  readonly onProgress?: ((progress: CloneProgress) => void) | undefined;
}

/** What became of a disk. */
export interface ClonedDisk {
  readonly name: DiskName;
  /** It shares its blocks with the original until one of them changes; else it is a sparse copy. */
  readonly reflink: boolean;
}

/**
 * Copies the disks of a machine that does not run into another's directory. One that the machine does not have, because
 * it was never started, its copy does not have either. Whole or not at all: nothing of it is left after a failure.
 *
 * The caller holds the locks of both machines.
 *
 * @param from directory of the machine
 * @param to directory of the copy, without disks; give it its name only afterwards: a kill leaves half of it
 * @throws SmolError `disk.no_space`, `disk.unusable`; the signal's reason
 */
export async function cloneDisks(
  from: string,
  to: string,
  options: CloneOptions = {},
): Promise<ClonedDisk[]> {
  const { signal, onProgress } = options;
  const there = diskNames.flatMap((name) => {
    const stat = statSync(diskPath(from, name), { throwIfNoEntry: false });
    return stat === undefined ? [] : [{ name, bytes: stat.blocks * 512 }];
  });
  const cloned: ClonedDisk[] = [];
  let path = to;
  try {
    for (const { name, bytes: total } of there) {
      path = diskPath(to, name);
      const reflink = await copySparse(diskPath(from, name), path, {
        signal,
        onCopy: () => requireRoom(to, path, total),
        onBytes: (bytes) => onProgress?.({ disk: name, bytes, total: Math.max(total, bytes) }),
      });
      cloned.push({ name, reflink });
    }
    await syncNames(to);
    return cloned;
  } catch (error) {
    for (const { name } of cloned) rmSync(diskPath(to, name), { force: true });
    throw diskFailure(error, "copy the machine's disk to", path);
  }
}

/** So that what cannot fit is not begun; another may still take the room meanwhile. */
async function requireRoom(directory: string, path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bytes > bavail * bsize) throw noSpace("copy the machine's disk to", path);
}
