import { readdirSync, rmSync, statSync } from "node:fs";
import { isPinned } from "./lease.ts";
import { ifUnused } from "./lock.ts";

/** Directories that no process has asked for in this time belong to versions that are no longer used. */
const KEEP_MILLISECONDS = 30 * 24 * 3600 * 1000;

/**
 * Removes what earlier versions of smolvm unpacked. Called only after something was unpacked, that is after an
 * upgrade. Stamps are touched by whoever starts a machine; what runs longer has a lease, and what machines that do not
 * run need of an earlier version is pinned (lease.ts).
 */
export function pruneRuntime(runtime: string, now = Date.now()): void {
  for (const name of readdirSync(runtime)) {
    const directory = `${runtime}/${name}`;
    if (!/^[0-9a-f]{32}$/.test(name)) continue;
    try {
      if (now - lastUse(directory) < KEEP_MILLISECONDS) continue;
      ifUnused(directory, () => {
        if (isPinned(directory)) return;
        rmSync(directory, { recursive: true, force: true });
      });
    } catch {
      // Another user's, or being removed by another process: it costs only space, and what was asked for succeeded.
    }
  }
}

/** The latest change of the directory's files, in milliseconds since 1970. */
function lastUse(directory: string): number {
  const times = readdirSync(directory).map((name) => changeTime(`${directory}/${name}`));
  return Math.max(changeTime(directory), ...times);
}

function changeTime(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
